import type { NodeId } from '@engram/kernel';
import { contentOf, copiesOf, isSameNode, planPlacement, previewMoves, type ClusterMap, type MapContent, type PartitionPlacement, type PlacementStrategy, type RosterNode, type TargetPlacement, type Voter } from '@engram/placement/core';
import type { NodeCard } from './cluster-messages.js';
import { isRemoved } from './verbs.js';

/**
 * What one node sees to on behalf of all. Whoever does it is no leader: every change goes through the register, so that
 * two nodes which both believe it is their turn only get in each other's way for a moment.
 */

/** The lowest of the voters that are alive, as far as this node sees. */
export function stewardOf({ voters }: ClusterMap, isAlive: (node: NodeId) => boolean): NodeId | undefined {
  return voters.map(({ id }) => id).filter(isAlive).sort()[0];
}

/** With how many voters a roster of that many is served best: an odd number, five at most. */
export function votersWanted(nodes: number): number {
  return nodes >= 5 ? 5 : nodes >= 3 ? 3 : 1;
}

/** The next voters, one added or one removed; undefined when they are as they should be. */
export function nextVoters(map: ClusterMap, isAlive: (node: NodeId) => boolean): readonly Voter[] | undefined {
  const { roster, voters } = map;
  const nodes = new Map(roster.map((node) => [node.id, node]));
  const without = (voter: Voter): readonly Voter[] => voters.filter((each) => each !== voter);
  // A voter whose disk was lost never answers again; one that left the roster does not belong.
  const stale = voters.find(({ id, storageId }) => nodes.get(id)?.storageId !== storageId);
  if (stale && voters.length > 1) return without(stale);
  const stays = ({ id }: { readonly id: NodeId }): boolean => nodes.get(id)?.state !== 'decommissioning';
  const wanted = votersWanted(roster.filter(stays).length);
  // Whoever takes a place comes before the one it is taken of.
  if (voters.filter(stays).length < wanted) {
    const votes = new Set(voters.map(({ id }) => id));
    const [newcomer] = roster.filter(({ id, state }) => state === 'active' && !votes.has(id) && isAlive(id)).sort((a, b) => (a.id < b.id ? -1 : 1));
    if (newcomer) return [...voters, { id: newcomer.id, storageId: newcomer.storageId }];
  }
  const leaver = voters.find((voter) => !stays(voter));
  if (leaver && voters.length > 1) return without(leaver);
  // One too many would have to be reached for nothing. Nothing rests on which one goes.
  const surplus = voters.length > wanted ? (voters.find(({ id }) => !isAlive(id)) ?? voters.at(-1)) : undefined;
  return surplus && without(surplus);
}

/** The map with this node in its roster as it is now; undefined when it is there already, or must not be changed. */
export function enrolled(map: ClusterMap, card: NodeCard): MapContent | undefined {
  if (isRemoved(map, card.id, card.storageId)) return undefined;
  const known = map.roster.find(({ id }) => id === card.id);
  if (known && isSameNode(known, { ...card, state: known.state })) return undefined;
  // With another disk it is another holder of whatever it held: that has to be given up first, each by its primary.
  const holds = ({ moving, ...placement }: PartitionPlacement): boolean => moving?.to === card.id || copiesOf(placement).includes(card.id);
  if (known && known.storageId !== card.storageId && map.table.some(holds)) return undefined;
  const node: RosterNode = { ...card, state: known?.state ?? 'active' };
  return { ...contentOf(map), roster: known ? map.roster.map((each) => (each === known ? node : each)) : [...map.roster, node] };
}

/** A primary's place that another copy is to have. */
export interface HandOver {
  readonly partition: number;
  readonly from: NodeId;
  readonly to: NodeId;
}

/**
 * The next moves towards a table that is in balance: copies to send on their way, as marks in the map, and primaries to
 * hand over. A primary whose copy is to go first hands over to one that stays. Nothing goes to who is not there, and
 * nothing at all while moves are paused.
 */
export function nextMoves(map: ClusterMap, isAlive: (node: NodeId) => boolean, strategy: PlacementStrategy, movesMax: number): { readonly content: MapContent | undefined; readonly handOvers: readonly HandOver[] } {
  if (map.movesPaused) return { content: undefined, handOvers: [] };
  const plan = planPlacement(map, undefined, { strategy });
  const preview = previewMoves(map.table, plan.table);
  let free = movesMax - map.table.filter(({ moving }) => moving).length;
  const table = [...map.table];
  const handOvers: HandOver[] = [];
  const isActive = (node: NodeId): boolean => map.roster.some(({ id, state }) => id === node && state === 'active');
  const isCalm = ({ moving, replicas }: PartitionPlacement): boolean => !moving && replicas.length <= map.policies.factor;
  for (const { partition, from, to } of preview.copies) {
    const placement = table[partition] as PartitionPlacement;
    if (free <= 0) break;
    if (!isCalm(placement) || !isAlive(to) || !isAlive(placement.primary) || (from === undefined && placement.replicas.length >= map.policies.factor)) continue;
    if (from === placement.primary) {
      const target = plan.table[partition] as TargetPlacement;
      const heir = [target.primary, ...target.replicas].find((id) => placement.replicas.includes(id) && isAlive(id));
      if (heir !== undefined) handOvers.push({ partition, from, to: heir });
      // The only copy there is: another one comes first.
      else if (placement.replicas.length === 0 && !isActive(from)) table[partition] = { ...placement, epoch: placement.epoch + 1, moving: { from: undefined, to } };
      else continue;
    } else table[partition] = { ...placement, epoch: placement.epoch + 1, moving: { from, to } };
    free--;
  }
  for (const { partition, from, to } of preview.primaries) {
    const placement = table[partition] as PartitionPlacement;
    if (handOvers.length >= movesMax) break;
    if (isCalm(placement) && placement.primary === from && placement.replicas.includes(to) && isAlive(from) && isAlive(to)) handOvers.push({ partition, from, to });
  }
  const isSame = table.every((placement, partition) => placement === map.table[partition]);
  return { content: isSame ? undefined : { ...contentOf(map), table }, handOvers };
}

/** Nodes that are primary of something and gone. */
export function orphanMakers({ table }: ClusterMap, isGone: (node: NodeId) => boolean): readonly NodeId[] {
  return [...new Set(table.map(({ primary }) => primary))].filter(isGone).sort();
}
