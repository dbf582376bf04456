import { refusalReasons, type RefusalReason } from './wire.js';

/** What happened since this node started. */
export interface CountersSnapshot {
  readonly entriesShipped: number;
  readonly bytesShipped: number;
  /** Entries shipped again to a copy that had been sent them before. */
  readonly entriesResent: number;
  readonly entriesReceived: number;
  /** Entries that a copy was sent and had already. */
  readonly entriesKnown: number;
  readonly snapshotsSent: number;
  readonly snapshotsReceived: number;
  readonly snapshotBytesSent: number;
  readonly tailEntriesSetAside: number;
  readonly tailEntriesTakenUp: number;
  readonly messagesMalformed: number;
  /** By reason, of what this node refused as a copy. */
  readonly refused: Readonly<Record<RefusalReason, number>>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export class Counters implements Mutable<CountersSnapshot> {
  entriesShipped = 0;
  bytesShipped = 0;
  entriesResent = 0;
  entriesReceived = 0;
  entriesKnown = 0;
  snapshotsSent = 0;
  snapshotsReceived = 0;
  snapshotBytesSent = 0;
  tailEntriesSetAside = 0;
  tailEntriesTakenUp = 0;
  messagesMalformed = 0;
  readonly refused = Object.fromEntries(refusalReasons.map((reason) => [reason, 0])) as Record<RefusalReason, number>;

  snapshot(): CountersSnapshot {
    return { ...this, refused: { ...this.refused } };
  }
}
