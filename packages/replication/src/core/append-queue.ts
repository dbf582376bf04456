import type { AppendCall, Refusal } from './messages.js';
import { entryComplaint } from './entry.js';
import { frameBytes } from './record.js';
import type { LogOptions } from './options.js';

/** A call with the bytes its frames will take. */
export interface SizedCall extends AppendCall {
  readonly bytes: number;
}

/** The appends that wait for the disk, in order, and the rules for getting in. */
export class AppendQueue {
  readonly #options: Required<LogOptions>;
  #calls: SizedCall[] = [];
  #head = 0;
  #bytes = 0;

  constructor(options: Required<LogOptions>) {
    this.#options = options;
  }

  /** Bytes of the frames that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  get empty(): boolean {
    return this.#head === this.#calls.length;
  }

  /** Takes the call, or says why not. `inFlightBytes` count against the bound as well. */
  offer(call: AppendCall, inFlightBytes: number): Refusal | undefined {
    const { entryBytesMax, groupBytesMax, queueBytesMax } = this.#options;
    if (call.entries.length === 0) return refusal('invalid_argument', 'an append needs at least one entry');
    let bytes = 0;
    for (const [index, entry] of call.entries.entries()) {
      const complaint = entryComplaint(entry);
      if (complaint !== undefined) return refusal('invalid_argument', `entry ${index}: ${complaint}`);
      if (entry.payload.length > entryBytesMax) {
        return refusal('payload_too_large', `the payload of entry ${index} has ${entry.payload.length} bytes; the log takes at most ${entryBytesMax} per entry`);
      }
      bytes += frameBytes(entry);
    }
    if (bytes > groupBytesMax) return refusal('payload_too_large', `the append takes ${bytes} bytes in the log; one call may take at most ${groupBytesMax}`);
    if (this.#bytes + inFlightBytes + bytes > queueBytesMax) {
      return refusal('overloaded', `${this.#bytes + inFlightBytes} bytes wait for the disk; with ${bytes} more the queue would pass its bound of ${queueBytesMax}`);
    }
    this.#calls.push({ id: call.id, entries: call.entries, bytes });
    this.#bytes += bytes;
    return undefined;
  }

  /** The next group: as many calls, in order, as fit. At least one when any waits, because a call never exceeds a group. */
  takeGroup(): readonly SizedCall[] {
    let end = this.#head;
    let bytes = 0;
    for (let call = this.#calls[end]; call && bytes + call.bytes <= this.#options.groupBytesMax; call = this.#calls[end]) {
      bytes += call.bytes;
      end++;
    }
    const group = this.#calls.slice(this.#head, end);
    this.#head = end;
    this.#bytes -= bytes;
    // Dropping the taken calls only once they are the larger part keeps a long queue linear.
    if (this.#head * 2 >= this.#calls.length) {
      this.#calls = this.#calls.slice(this.#head);
      this.#head = 0;
    }
    return group;
  }

  takeAll(): readonly SizedCall[] {
    const all = this.#calls.slice(this.#head);
    this.#calls = [];
    this.#head = 0;
    this.#bytes = 0;
    return all;
  }
}

function refusal(code: Refusal['code'], message: string): Refusal {
  return { code, message, indeterminate: false };
}
