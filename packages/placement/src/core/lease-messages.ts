import { OptionsError, type NodeId } from '@engram/kernel';

/** How long leases last. All nodes of a cluster must agree on it. */
export interface LeaseOptions {
  /** How long a holder may act after it asked. Shorter fails over sooner and asks more of the network. @default 2_000 */
  readonly durationMs?: number;
  /** How often it is renewed; several times within the duration. @default 500 */
  readonly renewMs?: number;
  /** The furthest that a clock of the cluster runs from true time, in parts per million. Crystals stay below 100. @default 1_000 */
  readonly driftPpm?: number;
}

/** The options with every default filled in. */
export type ResolvedLeaseOptions = Required<LeaseOptions> & {
  /** What to multiply a duration with so that it has passed on every other clock as well. */
  readonly stretch: number;
};

/** Throws `invalid_options` naming the field. */
export function resolveLeaseOptions(options: LeaseOptions = {}): ResolvedLeaseOptions {
  const resolved = { durationMs: 2_000, renewMs: 500, driftPpm: 1_000, ...options };
  const { durationMs, renewMs, driftPpm } = resolved;
  if (!(renewMs >= 1)) throw new OptionsError('renewMs', `must be at least 1, got ${renewMs}`);
  if (!(durationMs >= 2 * renewMs)) throw new OptionsError('durationMs', 'must be at least twice renewMs, so that one lost renewal loses no lease');
  if (!(driftPpm >= 0 && driftPpm <= 200_000)) throw new OptionsError('driftPpm', `must lie from 0 to 200000, got ${driftPpm}`);
  return { ...resolved, stretch: (1 + driftPpm / 1e6) / (1 - driftPpm / 1e6) };
}

/**
 * What nodes ask of the voters that grant leases:
 *
 *     holder -> renew(3, map 17)  -> granter   I act for the partitions that map 17 gives me
 *     holder <- granted(3)        <- granter   do; and these leases, given to others under older maps, may still run
 *     holder <- withheld(3)       <- granter   I know map 18: read it first
 *
 *     anybody -> inquire(4, node) -> granter   does that node still hold a lease?
 *     anybody <- state(4)         <- granter   as far as I am concerned for so long at most
 */
export type LeaseRequest =
  | { readonly kind: 'renew'; readonly attempt: number; readonly mapEpoch: number }
  | { readonly kind: 'inquire'; readonly attempt: number; readonly node: NodeId };

/** What a voter answers; see `LeaseRequest` for the conversation. */
export type LeaseReply =
  | {
      readonly kind: 'granted';
      readonly attempt: number;
      readonly mapEpoch: number;
      /** Leases of others, given under older maps, and how long they may still run. */
      readonly others: readonly { readonly node: NodeId; readonly runsOutInMs: number }[];
      /** Above 0 for a while after a start: leases that the granter has forgotten may run that long. */
      readonly unknownForMs: number;
    }
  | { readonly kind: 'withheld'; readonly attempt: number; readonly mapEpoch: number }
  /** 0 means: it has run out. */
  | { readonly kind: 'state'; readonly attempt: number; readonly node: NodeId; readonly runsOutInMs: number };
