import type { MemberState, ProbeOutcome, SwimStats } from '../core/index.js';
import type { HistogramSnapshot } from './histogram.js';
import type { TcpCounters } from './tcp-transport.js';
import type { UdpCounters } from './udp-transport.js';

/** Bounds of the round-trip histogram, in seconds: from one machine to across the world. */
export const rttBoundsSeconds: readonly number[] = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5];

/** A plain snapshot. Counters count since `createSwim`; they never fall. */
export interface SwimMetrics {
  /** Others by state, this node not included. */
  readonly members: Readonly<Record<MemberState, number>>;
  readonly viewVersion: number;
  readonly healthScore: number;
  readonly isolated: boolean;
  readonly probes: Readonly<Record<ProbeOutcome, number>>;
  /** From ping to ack, of direct probes by datagram. */
  readonly rttSeconds: HistogramSnapshot;
  /** Suspicions begun, by this node and by others. */
  readonly suspicions: number;
  /** Deaths that this node declared itself. */
  readonly deathsDeclared: number;
  readonly refutations: number;
  readonly syncs: number;
  /** How often this process was unable to run for long enough to matter. */
  readonly stalls: number;
  /** News and broadcasts that still have to be passed on. */
  readonly queued: { readonly news: number; readonly broadcasts: number };
  /** Payload; UDP and IP add 28 bytes to each packet on IPv4, 48 on IPv6. */
  readonly datagrams: UdpCounters;
  readonly streams: TcpCounters;
  /** Input that was dropped, by reason. */
  readonly rejected: Readonly<Record<string, number>>;
  /** How often a consumer of `changes` was too slow and got everything instead. */
  readonly resyncs: number;
}

/** What the driver counts itself. */
export interface DriverCounts {
  readonly viewVersion: number;
  readonly isolated: boolean;
  readonly probes: Readonly<Record<ProbeOutcome, number>>;
  readonly rttSeconds: HistogramSnapshot;
  readonly datagrams: UdpCounters;
  readonly streams: TcpCounters;
  readonly rejected: ReadonlyMap<string, number>;
  readonly resyncs: number;
}

export function swimMetrics(stats: SwimStats, counts: DriverCounts): SwimMetrics {
  const { alive, suspect, dead, left, healthScore, suspicions, deaths, refutations, syncs, stalls, newsQueued, broadcastsQueued } = stats;
  const rejected: Record<string, number> = { ...stats.rejected };
  for (const [reason, count] of counts.rejected) rejected[reason] = (rejected[reason] ?? 0) + count;
  return {
    ...counts, rejected, healthScore, suspicions, refutations, syncs, stalls,
    members: { alive, suspect, dead, left },
    deathsDeclared: deaths,
    queued: { news: newsQueued, broadcasts: broadcastsQueued },
  };
}
