import { msBetween, type Instant, type NodeId } from '@engram/kernel';
import type { Peer } from './peers.js';
import type { Shared } from './shared.js';

/** How far a peer is behind in the partitions that this node leads. */
export interface PeerLag {
  readonly peer: NodeId;
  readonly entries: number;
  /** Since the oldest entry that it has not acknowledged became durable here, by this node's monotonic clock. */
  readonly seconds: number;
}

export function lagOf(shared: Shared, peer: NodeId, now: Instant): PeerLag {
  let entries = 0;
  let since: Instant | undefined;
  for (const copy of shared.copies.values()) {
    const cursor = copy.reign?.cursors.get(peer);
    if (cursor === undefined) continue;
    const behind = copy.durable - cursor.acked;
    if (behind <= 0) {
      cursor.behindSince = undefined;
      continue;
    }
    entries += behind;
    // An entry that is not in memory any more is older than when we last looked; what we noted then is the best we know.
    cursor.behindSince = shared.recent.since(copy.partition, cursor.acked + 1) ?? cursor.behindSince ?? now;
    if (since === undefined || cursor.behindSince < since) since = cursor.behindSince;
  }
  return { peer, entries, seconds: since === undefined ? 0 : msBetween(since, now) / 1_000 };
}

/** Says once when a peer falls far behind, and once when it is well again. */
export function watchLag(shared: Shared, peer: Peer, now: Instant): void {
  const { lagHighEntries, lagHighMs } = shared.options;
  const lag = lagOf(shared, peer.node, now);
  const share = Math.max(lag.entries / lagHighEntries, (lag.seconds * 1_000) / lagHighMs);
  if (peer.lagHigh ? share >= 0.5 : share < 1) return;
  peer.lagHigh = !peer.lagHigh;
  shared.effects.push({ kind: peer.lagHigh ? 'lag-high' : 'lag-normal', ...lag });
}
