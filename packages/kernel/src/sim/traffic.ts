import { dropReasons, type DropReason } from './link.js';

/** How many datagrams were dropped, by reason. */
export type DropCounts = Readonly<Record<DropReason, number>>;

/**
 * What one node sent and got. Bytes are those handed over; a real packet carries 28 more over IPv4 and UDP, 48 over IPv6.
 * What the network drops is counted at its sender, what the receiving machine drops (`dead`, `buffer-full`,
 * `not-listening`, `killed`) at the receiver.
 */
export interface NodeTraffic {
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly bytesIn: number;
  readonly dropped: DropCounts;
  readonly streamsOpened: number;
  readonly streamBytesOut: number;
  readonly streamBytesIn: number;
}

/** All datagrams of the world: `sent + duplicated = delivered + inFlight + the sum of dropped`, at every moment. */
export interface NetworkTotals {
  readonly sent: number;
  readonly duplicated: number;
  readonly corrupted: number;
  readonly delivered: number;
  readonly inFlight: number;
  readonly dropped: DropCounts;
}

export class TrafficCounter implements NodeTraffic {
  packetsOut = 0;
  bytesOut = 0;
  packetsIn = 0;
  bytesIn = 0;
  streamsOpened = 0;
  streamBytesOut = 0;
  streamBytesIn = 0;
  readonly dropped = noDrops();
}

export function noDrops(): Record<DropReason, number> {
  return Object.fromEntries(dropReasons.map((reason) => [reason, 0])) as Record<DropReason, number>;
}
