import { msBetween, type Clock, type Instant } from '@engram/kernel';
import type { Address, Rejection } from '../core/index.js';
import type { StreamRejection } from './tcp-transport.js';

/** Every reason for which input is dropped, by the core or before it. */
export type RejectionReason = Rejection | StreamRejection;

/** Input that was dropped. */
export interface RejectedEvent {
  readonly reason: RejectionReason;
  /** What it says about the sender, in a sentence for an operator. */
  readonly meaning: string;
  /** Of the one that made this event. */
  readonly from: Address;
  /** How many were dropped for this reason since the last event about it, this one included. */
  readonly count: number;
}

/** What each reason means. Those without a line here are damaged or hostile input. */
const meanings: Partial<Record<RejectionReason, string>> = {
  'other-cluster': 'The sender belongs to another cluster. Check the cluster names and the seeds of both.',
  'other-cluster-id': 'The sender belongs to another cluster of the same name. Give one of them another name, or check the seeds of both.',
  'other-version': 'The sender speaks another version of the protocol.',
  'seal-version': 'The sender encrypts with another version of the protocol.',
  'unknown-key': 'The sender uses a key that is not in the keyring of this node.',
  'not-authentic': 'The packet was changed on its way, replayed on another stream, or made by somebody without the key.',
  replayed: 'The packet was received before. Networks repeat packets now and then; many of them are an attack.',
  'not-sealed': 'The sender does not encrypt, and this node accepts encrypted packets only.',
  sealed: 'The sender encrypts, and this node has no keyring.',
  misdirected: 'The packet was meant for another member that used this address before.',
  'not-joined': 'Received before joining or after leaving.',
  'members-full': 'The newcomer is beyond membersMax.',
  unproven: 'The answer would have been larger than the question of an address that nobody has heard from.',
  'streams-full': 'Too many connections at one time.',
  'stream-idle': 'A connection was opened and nothing was sent.',
  'stream-late': 'A connection was kept open for too long.',
};
const otherwise = 'The packet is damaged, or was not made by this library.';

/** One event for each reason in this time, so that a flood of packets is not a flood of events. */
const quietMs = 1_000;

interface Line {
  untold: number;
  toldAt: Instant | undefined;
}

/** Tells of what is dropped, now and then. There are few reasons, so it stays small. */
export class RejectionLog {
  readonly #clock: Clock;
  readonly #tell: (event: RejectedEvent) => void;
  readonly #lines = new Map<RejectionReason, Line>();

  constructor(clock: Clock, tell: (event: RejectedEvent) => void) {
    this.#clock = clock;
    this.#tell = tell;
  }

  add(reason: RejectionReason, from: Address): void {
    const line = this.#lines.get(reason) ?? { untold: 0, toldAt: undefined };
    this.#lines.set(reason, line);
    line.untold += 1;
    const now = this.#clock.now();
    if (line.toldAt !== undefined && msBetween(line.toldAt, now) < quietMs) return;
    this.#tell({ reason, meaning: meanings[reason] ?? otherwise, from, count: line.untold });
    line.untold = 0;
    line.toldAt = now;
  }
}
