import { shown, type ErrorCode, type NodeId } from '@engram/kernel';
import { contentOf, factorMax, removedMax, type ClusterMap, type ClusterPolicies, type MapContent, type NodeState } from '@engram/placement/core';

/** What an operator may have changed in the map, through any node. Asked again, each changes nothing more. */
export type MapVerb =
  /** The node gives its primaries away and gets none; its copies stay. For an upgrade, or a look at the machine. */
  | { readonly kind: 'drain'; readonly node: NodeId }
  /** Takes `drain` back, and `decommission` while the node is still in the roster. */
  | { readonly kind: 'undrain'; readonly node: NodeId }
  /** Its copies go to others, then the node leaves the roster for good. `force`: also when that leaves fewer copies than wanted. */
  | { readonly kind: 'decommission'; readonly node: NodeId; readonly force: boolean }
  | { readonly kind: 'pause-moves' }
  | { readonly kind: 'resume-moves' }
  | { readonly kind: 'set-policies'; readonly policies: Partial<ClusterPolicies> };

/** What an operator may ask of nodes, besides. */
export type Verb =
  | MapVerb
  /** Another copy becomes primary: `to`, or whichever has come furthest. */
  | { readonly kind: 'promote'; readonly partition: number; readonly to: NodeId | undefined }
  /** What is to be moved is looked at now, without waiting for calm. */
  | { readonly kind: 'plan-moves' };

/** Why a verb is not carried out. */
export interface VerbRefusal {
  readonly kind: 'refused';
  readonly code: Extract<ErrorCode, 'node_not_found' | 'invalid_argument' | 'precondition_failed' | 'not_ready' | 'overloaded' | 'unavailable'>;
  readonly message: string;
  readonly hint: string;
}

/** What became of a verb. */
export type VerbAnswer = VerbRefusal | { readonly kind: 'done'; /** Whether anything was not so already. */ readonly changed: boolean };

/** What the map says to a verb: that it is so, that it must not be, or what to put in its place. */
export function judge(map: ClusterMap, verb: MapVerb): VerbRefusal | { readonly kind: 'so' } | { readonly kind: 'change'; readonly content: MapContent } {
  switch (verb.kind) {
    case 'drain':        return drain(map, verb.node);
    case 'undrain':      return undrain(map, verb.node);
    case 'decommission': return decommission(map, verb.node, verb.force);
    case 'pause-moves':  return map.movesPaused ? { kind: 'so' } : { kind: 'change', content: { ...contentOf(map), movesPaused: true } };
    case 'resume-moves': return map.movesPaused ? { kind: 'change', content: resumed(map) } : { kind: 'so' };
    case 'set-policies': return setPolicies(map, verb.policies);
  }
}

/** Why a copy cannot be promoted by hand; undefined when its primary may be asked. */
export function promotionRefusal(map: ClusterMap, partition: number, to: NodeId | undefined, isAlive: (node: NodeId) => boolean): VerbRefusal | undefined {
  const placement = map.table[partition];
  if (!placement) return refused('invalid_argument', `there is no partition ${partition}: they are numbered from 0 to ${map.table.length - 1}`, 'GET /api/v1/cluster/partitions lists them.');
  const { primary, replicas } = placement;
  if (to === undefined) {
    if (replicas.some((id) => isAlive(id)) && isAlive(primary)) return undefined;
  } else {
    const state = stateOf(map, to);
    if (state === undefined) return unknown(to);
    if (to === primary || (replicas.includes(to) && isAlive(to) && isAlive(primary))) return undefined;
    if (state !== 'active' && to !== primary) return refused('precondition_failed', `node ${shown(to)} is ${state}, so it is to lead nothing`, 'Undrain it first, or name another replica.');
    if (!replicas.includes(to)) return refused('precondition_failed', `node ${shown(to)} holds no copy of partition ${partition}; ${[primary, ...replicas].join(', ')} do`, 'Name one of those.');
  }
  if (!isAlive(primary)) return refused('precondition_failed', `the primary of partition ${partition}, ${shown(primary)}, is not there to hand over`, 'A copy takes its place by itself once its lease has run out and a majority of the copies can be reached. When that majority is gone for good, partition_policy available lets the best copy lead: POST /api/v1/cluster/replication/config.');
  return refused('precondition_failed', to === undefined ? `no replica of partition ${partition} is alive` : `node ${shown(to)} is not alive`, 'Name a replica that is, or start it.');
}

/** The roster without whoever of those is decommissioned and holds nothing any more, nor votes; undefined when there is nobody. */
export function withoutDecommissioned(map: ClusterMap, mayGo: (node: NodeId) => boolean): MapContent | undefined {
  const { roster, voters, table, removed = [] } = map;
  const leaving = roster.filter(({ id, state }) => state === 'decommissioning' && mayGo(id));
  if (leaving.length === 0) return undefined;
  const needed = new Set<NodeId>(voters.map(({ id }) => id));
  for (const { primary, replicas, moving } of table) {
    for (const id of [primary, ...replicas]) needed.add(id);
    if (moving) needed.add(moving.to);
  }
  const gone = leaving.filter(({ id }) => !needed.has(id));
  if (gone.length === 0) return undefined;
  const names = new Set(gone.map(({ id }) => id));
  return { ...contentOf(map), roster: roster.filter(({ id }) => !names.has(id)), removed: [...removed, ...gone.map(({ id, storageId }) => ({ id, storageId }))].slice(-removedMax) };
}

/** Whether this disk was decommissioned under that name. */
export function isRemoved({ removed = [] }: ClusterMap, node: NodeId, storageId: string): boolean {
  return removed.some((each) => each.id === node && each.storageId === storageId);
}

type Judgement = ReturnType<typeof judge>;

function drain(map: ClusterMap, node: NodeId): Judgement {
  const state = stateOf(map, node);
  if (state === undefined) return unknown(node);
  if (state === 'draining') return { kind: 'so' };
  if (state === 'decommissioning') return refused('precondition_failed', `node ${shown(node)} is being decommissioned, which drains it as well`, 'To keep it, undrain it first.');
  if (others(map, node).length === 0) return refused('precondition_failed', `node ${shown(node)} is the last one that takes primaries`, 'Undrain another node, or add one, before this one is drained.');
  return { kind: 'change', content: withState(map, node, 'draining') };
}

function undrain(map: ClusterMap, node: NodeId): Judgement {
  const state = stateOf(map, node);
  if (state === undefined) return wasRemoved(map, node) ? alreadyRemoved(node) : unknown(node);
  return state === 'active' ? { kind: 'so' } : { kind: 'change', content: withState(map, node, 'active') };
}

function decommission(map: ClusterMap, node: NodeId, force: boolean): Judgement {
  const state = stateOf(map, node);
  if (state === undefined) return wasRemoved(map, node) ? { kind: 'so' } : unknown(node);
  if (state === 'decommissioning') return { kind: 'so' };
  const left = others(map, node).length;
  const { factor } = map.policies;
  const wanted = factor + 1;
  if (left === 0) return refused('precondition_failed', `node ${shown(node)} is the last one that takes copies: nothing would be left`, 'Add a node, or undrain one, and try again.');
  if (left < wanted && !force) {
    return refused(
      'precondition_failed',
      `without node ${shown(node)} there would be ${left} ${left === 1 ? 'node' : 'nodes'} for ${wanted} copies of everything (factor ${factor})`,
      `Add ${wanted - left} more, or lower the factor to ${left - 1}${left < 3 ? ' (then no node may be away)' : ''}, or send force=true to live with ${left} ${left === 1 ? 'copy' : 'copies'}.`,
    );
  }
  return { kind: 'change', content: withState(map, node, 'decommissioning') };
}

function setPolicies(map: ClusterMap, policies: Partial<ClusterPolicies>): Judgement {
  const next = { ...map.policies, ...policies };
  const { factor } = next;
  if (!(Number.isInteger(factor) && factor >= 0 && factor <= factorMax)) return refused('invalid_argument', `factor is 0 to ${factorMax} replicas besides the primary, not ${factor}`, 'Send a whole number in that range.');
  const keys = Object.keys(next) as (keyof ClusterPolicies)[];
  return keys.every((key) => next[key] === map.policies[key]) ? { kind: 'so' } : { kind: 'change', content: { ...contentOf(map), policies: next } };
}

function resumed(map: ClusterMap): MapContent {
  const { movesPaused: _, ...content } = contentOf(map);
  return content;
}

function withState(map: ClusterMap, node: NodeId, state: NodeState): MapContent {
  return { ...contentOf(map), roster: map.roster.map((each) => (each.id === node ? { ...each, state } : each)) };
}

function stateOf({ roster }: ClusterMap, node: NodeId): NodeState | undefined {
  return roster.find(({ id }) => id === node)?.state;
}

/** Who takes copies and primaries besides that one. */
function others({ roster }: ClusterMap, node: NodeId): readonly unknown[] {
  return roster.filter(({ id, state }) => id !== node && state === 'active');
}

function wasRemoved({ removed = [] }: ClusterMap, node: NodeId): boolean {
  return removed.some(({ id }) => id === node);
}

function refused(code: VerbRefusal['code'], message: string, hint: string): VerbRefusal {
  return { kind: 'refused', code, message, hint };
}

function unknown(node: NodeId): VerbRefusal {
  return refused('node_not_found', `the cluster has no node ${shown(node)}`, 'GET /api/v1/cluster/nodes lists those it has.');
}

function alreadyRemoved(node: NodeId): VerbRefusal {
  return refused('precondition_failed', `node ${shown(node)} has left the roster already`, 'Start it with an empty data directory: it joins as a new node.');
}
