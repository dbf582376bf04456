import { EngramError, shown, type ClusterId, type NodeId } from '@engram/kernel';
import { sameVoters, type Voter } from './quorum.js';
import type { RegisterState } from './register-messages.js';

/** `active` takes copies and primaries; `draining` keeps its copies and is primary of none; `decommissioning` loses its copies, then its place. */
export type NodeState = 'active' | 'draining' | 'decommissioning';

/** One node of the cluster, present or not: the roster says who belongs, membership says who is alive. */
export interface RosterNode {
  readonly id: NodeId;
  /** Of its disk: a node back with an empty disk has another one. */
  readonly storageId: string;
  /** What it is reached at, by purpose, such as `{ swim: '10.0.0.1:7946', grpc: '10.0.0.1:50051' }`. At most `addressesMax`. */
  readonly addresses: Readonly<Record<string, string>>;
  /** Where it stands; empty when nobody said. A rack is one within its zone. */
  readonly zone: string;
  readonly rack: string;
  /** How much it shall hold compared with others; above 0. A node of 2 gets twice what a node of 1 gets. */
  readonly capacity: number;
  readonly state: NodeState;
}

/** Which nodes count as failing together: each by itself, those of one rack, those of one zone. A node without the label stands alone. */
export type PlacementStrategy = 'random' | 'rack_aware' | 'zone_aware';

/** What holds for every partition unless its space says otherwise. */
export interface ClusterPolicies {
  /** Replicas besides the primary: 2 makes 3 copies. 0 to `factorMax`. */
  readonly factor: number;
  readonly ack: 'local' | 'replica' | 'quorum' | 'all';
  /** Whether copies cut off from a majority still accept writes. */
  readonly partition: 'majority' | 'available';
  /** What copies are kept apart by. In the map, so that whoever plans plans alike; absent, whoever plans has an own idea of it. */
  readonly strategy?: PlacementStrategy;
}

/** Where one partition lives. */
export interface PartitionPlacement {
  /** Grows with every change of primary or copies; entries of the log carry it, so that what comes late is refused. From 1 on. */
  readonly epoch: number;
  readonly primary: NodeId;
  readonly replicas: readonly NodeId[];
  /**
   * Primaries before, which did not step down themselves: their leases must have run out before the present one
   * acknowledges. Several, when one was deposed before it had waited for another. `since` is the map epoch that deposed the last.
   */
  readonly deposed?: { readonly nodes: readonly NodeId[]; readonly since: number };
  /** Promoted without a quorum of copies, by the policy `available`: what it lacks is merged when the others are back. */
  readonly provisional?: true;
  /** A copy on its way to `to`, which does not count as one yet; `from` gives its own up when that is complete. */
  readonly moving?: { readonly from: NodeId | undefined; readonly to: NodeId };
}

/** A node that was taken out of the roster for good. The same name may come back, on another disk. */
export type RemovedNode = Pick<RosterNode, 'id' | 'storageId'>;

/** What the register of a cluster holds. */
export interface MapContent {
  readonly clusterId: ClusterId;
  readonly policies: ClusterPolicies;
  readonly roster: readonly RosterNode[];
  /** Nodes that were decommissioned, the latest last; `removedMax` of them are remembered. */
  readonly removed?: readonly RemovedNode[];
  /** Nothing is sent on its way for balance, to fill gaps, or away from a node that is decommissioned. What is under way arrives. */
  readonly movesPaused?: true;
  /** One for each partition, in their order. Its length is fixed when the cluster is initialised. */
  readonly table: readonly PartitionPlacement[];
}

/** The map: who belongs, who votes, who holds what. Its epoch is the version of the register, so it grows with every change. */
export interface ClusterMap extends MapContent {
  readonly epoch: number;
  readonly partitions: number;
  readonly voters: readonly Voter[];
}

/** Nodes that a roster lists at most. */
export const rosterMax = 1_000;
/** Nodes that a map remembers as removed. One that is forgotten and comes back with its old disk is a new member. */
export const removedMax = 256;
/** Copies of one partition at most, the primary among them, and one that is to replace another. */
export const copiesMax = 7;
/** Replicas besides the primary that may be wanted: while one moves there is one more. */
export const factorMax = copiesMax - 2;
/** Characters of a zone, a rack, a disk, or the purpose of an address at most. */
export const labelLengthMax = 64;
/** Characters of an address at most. */
export const addressLengthMax = 255;
/** Addresses that a roster keeps of one node at most. */
export const addressesMax = 8;
/** Partitions that a cluster has at most. */
export const partitionsMax = 65_536;

/** The map that a state of the register is. */
export function clusterMapOf(state: RegisterState<MapContent>): ClusterMap {
  return { ...state.value, epoch: state.version, partitions: state.value.table.length, voters: state.voters };
}

/** What goes into the register of a map. */
export function contentOf({ clusterId, policies, roster, removed, movesPaused, table }: MapContent): MapContent {
  return { clusterId, policies, roster, ...(removed && { removed }), ...(movesPaused && { movesPaused }), table };
}

/** Nodes that hold a partition, the primary first. */
export function copiesOf({ primary, replicas }: PartitionPlacement): readonly NodeId[] {
  return [primary, ...replicas];
}

/**
 * Refuses, with `invalid_argument`, a map that contradicts itself: a table that names a node the roster does not have, a
 * partition with two copies on one node, a node listed twice. The message names the partition and the node.
 */
export function checkMap(content: MapContent): void {
  const problem = mapProblem(content);
  if (problem !== undefined) throw new EngramError('invalid_argument', `the cluster map is refused: ${problem}`, { hint: 'Correct the named entry; the map in force stays as it is.' });
}

/** What is wrong with a map, as a sentence; undefined when nothing is. */
export function mapProblem({ policies, roster, removed = [], table }: MapContent): string | undefined {
  const ids = new Set(roster.map(({ id }) => id));
  if (roster.length === 0 || roster.length > rosterMax) return `a cluster has 1 to ${rosterMax} nodes, not ${roster.length}`;
  if (ids.size !== roster.length) return `node ${shown(roster.find(({ id }, at) => roster.findIndex((node) => node.id === id) !== at)?.id)} is listed twice`;
  if (removed.length > removedMax) return `${removedMax} removed nodes are remembered at most, not ${removed.length}`;
  if (!(Number.isInteger(policies.factor) && policies.factor >= 0 && policies.factor <= factorMax)) return `factor is 0 to ${factorMax} replicas besides the primary, not ${policies.factor}`;
  if (table.length === 0 || table.length > partitionsMax) return `a cluster has 1 to ${partitionsMax} partitions, not ${table.length}`;
  for (const node of roster) {
    if (!(node.capacity > 0 && Number.isFinite(node.capacity))) return `the capacity of node ${shown(node.id)} must be above 0, not ${node.capacity}`;
    const label = [node.storageId, node.zone, node.rack, ...Object.keys(node.addresses)].find((text) => text.length > labelLengthMax);
    if (label !== undefined) return `node ${shown(node.id)} has a label of ${label.length} characters; ${labelLengthMax} are the most`;
    if (Object.values(node.addresses).some((address) => address.length > addressLengthMax)) return `node ${shown(node.id)} has an address of more than ${addressLengthMax} characters`;
    if (Object.keys(node.addresses).length > addressesMax) return `node ${shown(node.id)} has more than ${addressesMax} addresses`;
  }
  for (const [partition, placement] of table.entries()) {
    const problem = placementProblem(placement, ids);
    if (problem !== undefined) return `partition ${partition} ${problem}`;
  }
  return undefined;
}

function placementProblem(placement: PartitionPlacement, ids: ReadonlySet<NodeId>): string | undefined {
  const copies = copiesOf(placement);
  const { moving, epoch } = placement;
  if (!Number.isInteger(epoch) || epoch < 1) return `has the epoch ${epoch}, which is no whole number from 1 on`;
  if (copies.length > copiesMax) return `has ${copies.length} copies; ${copiesMax} are the most`;
  if (new Set(copies).size !== copies.length) return `has two copies on one node, among ${copies.join(', ')}`;
  // A deposed node may have left the roster for good; only its lease is of interest.
  const unknown = [...copies, ...(moving === undefined ? [] : [moving.to])].find((id) => !ids.has(id));
  if (unknown !== undefined) return `refers to node ${shown(unknown)}, which is not in the roster`;
  if (moving !== undefined && copies.includes(moving.to)) return `moves to node ${shown(moving.to)}, which holds it already`;
  if (moving?.from !== undefined && !copies.includes(moving.from)) return `moves from node ${shown(moving.from)}, which does not hold it`;
  return undefined;
}

/** What is different in `after`, in the order that an operator would tell it. */
export type MapChange =
  | { readonly kind: 'node-joined'; readonly node: RosterNode }
  | { readonly kind: 'node-removed'; readonly node: RosterNode }
  | { readonly kind: 'node-changed'; readonly before: RosterNode; readonly node: RosterNode }
  | { readonly kind: 'voters-changed'; readonly before: readonly Voter[]; readonly voters: readonly Voter[] }
  | { readonly kind: 'policies-changed'; readonly before: ClusterPolicies; readonly policies: ClusterPolicies }
  | { readonly kind: 'moves-paused' }
  | { readonly kind: 'moves-resumed' }
  | { readonly kind: 'primary-changed'; readonly partition: number; readonly epoch: number; readonly from: NodeId; readonly to: NodeId; readonly provisional: boolean }
  | { readonly kind: 'replicas-changed'; readonly partition: number; readonly epoch: number; readonly added: readonly NodeId[]; readonly removed: readonly NodeId[] }
  | { readonly kind: 'move-started'; readonly partition: number; readonly from: NodeId | undefined; readonly to: NodeId }
  | { readonly kind: 'move-ended'; readonly partition: number; readonly to: NodeId; readonly done: boolean };

/** All changes from one map of a cluster to a later one. `added` and `removed` are of copies, whatever their role. */
export function mapChanges(before: ClusterMap, after: ClusterMap): readonly MapChange[] {
  const changes: MapChange[] = [];
  const old = new Map(before.roster.map((node) => [node.id, node]));
  const now = new Set(after.roster.map(({ id }) => id));
  for (const node of after.roster) {
    const was = old.get(node.id);
    if (was === undefined) changes.push({ kind: 'node-joined', node });
    else if (!isSameNode(was, node)) changes.push({ kind: 'node-changed', before: was, node });
  }
  for (const node of before.roster) if (!now.has(node.id)) changes.push({ kind: 'node-removed', node });
  if (!sameVoters(before.voters, after.voters)) changes.push({ kind: 'voters-changed', before: before.voters, voters: after.voters });
  const [was, is] = [before.policies, after.policies];
  if (was.factor !== is.factor || was.ack !== is.ack || was.partition !== is.partition || was.strategy !== is.strategy) changes.push({ kind: 'policies-changed', before: was, policies: is });
  if (before.movesPaused !== after.movesPaused) changes.push({ kind: after.movesPaused ? 'moves-paused' : 'moves-resumed' });
  for (const [partition, placement] of after.table.entries()) {
    const earlier = before.table[partition];
    if (earlier !== undefined && earlier !== placement) changes.push(...placementChanges(partition, earlier, placement));
  }
  return changes;
}

function placementChanges(partition: number, before: PartitionPlacement, after: PartitionPlacement): MapChange[] {
  const changes: MapChange[] = [];
  const { epoch } = after;
  if (before.primary !== after.primary) changes.push({ kind: 'primary-changed', partition, epoch, from: before.primary, to: after.primary, provisional: after.provisional === true });
  const [was, is] = [copiesOf(before), copiesOf(after)];
  const added = is.filter((id) => !was.includes(id));
  const removed = was.filter((id) => !is.includes(id));
  if (added.length + removed.length > 0) changes.push({ kind: 'replicas-changed', partition, epoch, added, removed });
  if (before.moving?.to !== after.moving?.to) {
    if (before.moving !== undefined) changes.push({ kind: 'move-ended', partition, to: before.moving.to, done: is.includes(before.moving.to) });
    if (after.moving !== undefined) changes.push({ kind: 'move-started', partition, from: after.moving.from, to: after.moving.to });
  }
  return changes;
}

/** Whether nothing is different, however the addresses are ordered. */
export function isSameNode(a: RosterNode, b: RosterNode): boolean {
  const addresses = (node: RosterNode): string => JSON.stringify(Object.entries(node.addresses).toSorted(([x], [y]) => (x < y ? -1 : 1)));
  return a.storageId === b.storageId && a.zone === b.zone && a.rack === b.rack && a.capacity === b.capacity && a.state === b.state && addresses(a) === addresses(b);
}
