import type { MemberState } from './member.js';
import type { Rejection } from './messages.js';

/** Counters since construction, as plain numbers. */
export interface SwimCounters {
  probes: number;
  probesFailed: number;
  /** Suspicions begun, our own and those of others. */
  suspicions: number;
  /** Deaths that this node declared itself. */
  deaths: number;
  /** Accusations against us that we answered. */
  refutations: number;
  syncs: number;
  stalls: number;
  datagramsSent: number;
  rejectedTotal: number;
  readonly rejected: Record<Rejection, number>;
}

/** Counters and the present state. The numbers of members by state count others only. */
export interface SwimStats extends Readonly<SwimCounters>, Readonly<Record<MemberState, number>> {
  readonly healthScore: number;
  readonly newsQueued: number;
  readonly broadcastsQueued: number;
}

export function newStats(): SwimCounters {
  const rejected: Record<Rejection, number> = {
    'too-short': 0, 'too-large': 0, 'not-swim': 0, 'other-version': 0, 'other-cluster': 0, 'other-cluster-id': 0, malformed: 0, 'bad-message': 0,
    misplaced: 0, misdirected: 0, implausible: 0, 'members-full': 0, unproven: 0, 'not-joined': 0,
  };
  return { probes: 0, probesFailed: 0, suspicions: 0, deaths: 0, refutations: 0, syncs: 0, stalls: 0, datagramsSent: 0, rejectedTotal: 0, rejected };
}
