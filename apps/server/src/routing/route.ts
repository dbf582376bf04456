/** Who answers a request, decided from what this node knows at the moment. */
import type { NodeId } from '@engram/kernel';
import { copiesOf, type ClusterMap } from '@engram/placement';

export const consistencies = ['primary', 'any'] as const;
/** Which copies may answer a read. */
export type Consistency = (typeof consistencies)[number];

export interface RouteQuestion {
  /** Undefined while this node belongs to no cluster: it answers for itself then. Also for a moment after a restart. */
  readonly map: Pick<ClusterMap, 'table' | 'roster'> | undefined;
  /** Whether this node belongs to a cluster, heard of its map or not. @default whether there is a map */
  readonly joined?: boolean;
  readonly self: NodeId;
  readonly partition: number;
  readonly operation: 'write' | 'read';
  /** Of a read. */
  readonly consistency: Consistency;
  /** Whether this node may act as the primary of the partition now. */
  readonly leads: boolean;
  /** Whether this node has a copy of the partition. */
  readonly holds: boolean;
  /** Whether that copy is known to lack what the client has written, so that anybody else is asked before it. @default false */
  readonly lags?: boolean;
  /** Whether it makes sense to call another node. */
  readonly isAlive: (node: NodeId) => boolean;
}

/** `doubt` says why a read may miss the latest writes; it is absent when it cannot, and when the client said that it may. */
export type Route =
  | { readonly kind: 'here'; readonly doubt?: string }
  | { readonly kind: 'forward'; readonly node: NodeId; readonly doubt?: string }
  | { readonly kind: 'nobody'; readonly reason: string; readonly retryAfterMs: number };

/** A failover takes seconds; whoever comes back sooner than this only adds to the load. */
const retryAfterMs = 500;
const here: Route = { kind: 'here' };
const unheard = 'this node has not heard yet who holds what';

/**
 * Writes go to the primary and nowhere else, reads too unless any copy will do. A read whose primary cannot be asked is
 * answered by a copy, here or elsewhere, and says so. A copy here that lags behind what the client has written answers
 * when nobody else can be asked, and only once it has that.
 *
 * ```text
 *            primary is       write      read, primary            read, any
 *            this node        here       here (doubt: no lease)   here
 *            alive            forward    forward                  here if held and not lagging, else forward
 *            gone             nobody     a copy, with doubt       a copy, one here that lags after the others
 * ```
 */
export function decide(question: RouteQuestion): Route {
  const { map, self, partition, operation, consistency, leads, holds, lags = false } = question;
  if (map === undefined) {
    if (question.joined !== true) return here;
    // What it holds may be as old as its last stop: others may have written since, so that it cannot even say that something is missing.
    return operation === 'write' ? { kind: 'nobody', reason: unheard, retryAfterMs } : { kind: 'here', doubt: unheard };
  }
  const placement = map.table[partition];
  if (placement === undefined) return { kind: 'nobody', reason: `the cluster map has no partition ${partition}`, retryAfterMs };
  const { primary } = placement;
  if (operation === 'write') {
    // The journal knows better why it cannot take a write.
    if (primary === self) return here;
    return callable(primary, question) ? { kind: 'forward', node: primary } : { kind: 'nobody', reason: `its primary ${primary} cannot be reached, and no other copy has taken over yet`, retryAfterMs };
  }
  if (consistency === 'any' && holds && !lags) return here;
  if (primary === self) return leads || consistency === 'any' ? here : { kind: 'here', doubt: `${self} is cut off from a majority of the cluster` };
  if (callable(primary, question)) return { kind: 'forward', node: primary };
  const doubt = consistency === 'any' ? {} : { doubt: `the primary ${primary} cannot be reached` };
  if (holds && !lags) return { kind: 'here', ...doubt };
  const copy = copiesOf(placement).find((node) => callable(node, question));
  if (copy !== undefined) return { kind: 'forward', node: copy, ...doubt };
  if (holds) return { kind: 'here', ...doubt };
  return { kind: 'nobody', reason: 'no node that has a copy of it can be reached', retryAfterMs };
}

/** Membership may still tell of a node that was removed from the cluster; the roster decides who belongs. */
function callable(node: NodeId, { map, self, isAlive }: RouteQuestion): boolean {
  return node !== self && isAlive(node) && map!.roster.some(({ id }) => id === node);
}
