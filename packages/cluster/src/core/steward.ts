import type { NodeId } from '@engram/kernel';
import { contentOf, type ClusterMap, type MapContent, type RosterNode, type Voter } from '@engram/placement/core';
import type { NodeCard } from './cluster-messages.js';

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
  const storage = new Map(roster.map(({ id, storageId }) => [id, storageId]));
  // A voter whose disk was lost never answers again; one that left the roster does not belong.
  const stale = voters.find(({ id, storageId }) => storage.get(id) !== storageId);
  if (stale && voters.length > 1) return voters.filter((voter) => voter !== stale);
  const active = roster.filter(({ state }) => state === 'active');
  if (voters.length >= votersWanted(active.length)) return undefined;
  const votes = new Set(voters.map(({ id }) => id));
  const [newcomer] = active.filter(({ id }) => !votes.has(id) && isAlive(id)).sort((a, b) => (a.id < b.id ? -1 : 1));
  return newcomer && [...voters, { id: newcomer.id, storageId: newcomer.storageId }];
}

/** The map with this node in its roster as it is now; undefined when it is there already, or must not be changed. */
export function enrolled(map: ClusterMap, card: NodeCard): MapContent | undefined {
  const known = map.roster.find(({ id }) => id === card.id);
  // With another disk it is another holder of whatever it held: its copies have to go elsewhere first.
  if (known && (known.storageId !== card.storageId || isSameCard(known, card))) return undefined;
  const node: RosterNode = { ...card, state: known?.state ?? 'active' };
  return { ...contentOf(map), roster: known ? map.roster.map((each) => (each === known ? node : each)) : [...map.roster, node] };
}

/** Nodes that are primary of something and gone. */
export function orphanMakers({ table }: ClusterMap, isGone: (node: NodeId) => boolean): readonly NodeId[] {
  return [...new Set(table.map(({ primary }) => primary))].filter(isGone).sort();
}

function isSameCard(node: NodeCard, card: NodeCard): boolean {
  const addresses = (of: NodeCard): string => JSON.stringify(Object.entries(of.addresses).sort(([a], [b]) => (a < b ? -1 : 1)));
  return node.storageId === card.storageId && node.zone === card.zone && node.rack === card.rack && node.capacity === card.capacity && addresses(node) === addresses(card);
}
