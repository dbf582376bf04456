import { assert, EngramError, OptionsError } from '@engram/kernel';
import type { ClientDuplexStream } from '@grpc/grpc-js';
import { decodeMessage, encodePartial } from './codec.js';
import { statusToError } from './error-detail.js';
import { written } from './flow.js';
import { StoreStreamRequest, StoreStreamResponse, type DeepPartial } from './gen/engram/v1/memory.js';
import type { AckLevel, MemoryDraft } from './gen/engram/v1/types.js';

/**
 * The drafts of one batch, 1 to 1000. Tens to hundreds make good use of one trip to the disk. With them may be said how
 * durable this batch must be before its answer, when that is not as the stream has it.
 */
export type DraftBatch = readonly DeepPartial<MemoryDraft>[] | { readonly drafts: readonly DeepPartial<MemoryDraft>[]; readonly ack?: AckLevel };

/** How a stream of batches is carried. */
export interface StoreStreamOptions {
  /** How durable each batch must be before its answer, unless it says so itself. @default the policy of the space */
  readonly ack?: AckLevel;
  /**
   * How many batches may be on their way at once. One waits for every answer before the next batch; more keep the
   * network and the disk busy at the same time, and hold that many batches in memory. @default 4
   */
  readonly unansweredMax?: number;
  /** How long the whole stream may take, in milliseconds. @default no limit */
  readonly deadlineMs?: number;
  /** Sent as `x-request-id`. */
  readonly requestId?: string;
}

/**
 * ```text
 * source -> batch 1, 2, 3 …  -> server     at most `unansweredMax` ahead of the answers that were read
 * caller <- answer 1, 2, 3 … <- server     in the same order
 * ```
 */
export async function* storeStream(
  open: () => ClientDuplexStream<Buffer, Buffer>,
  batches: Iterable<DraftBatch> | AsyncIterable<DraftBatch>,
  options: StoreStreamOptions = {},
): AsyncGenerator<StoreStreamResponse, void> {
  const { unansweredMax = 4 } = options;
  if (!Number.isInteger(unansweredMax) || unansweredMax < 1) throw new OptionsError('unansweredMax', 'must be a positive whole number');
  const call = open();
  // The loop below reports a failure of the call; one that comes after it has ended is nobody's concern.
  call.on('error', () => undefined);
  const window = new Window(unansweredMax);
  // What goes wrong with the source or with a batch is the caller's to see, rather than the cancellation it leads to.
  let sendFailure: { readonly error: unknown } | undefined;
  sendEach(call, batches, window, options.ack).catch((error: unknown) => {
    sendFailure = { error };
    call.cancel();
  });
  try {
    let sequence = 0n;
    for await (const bytes of call) {
      const answer = decodeMessage(StoreStreamResponse, bytes as Buffer, `answer ${sequence + 1n}`);
      sequence += 1n;
      assert(answer.sequence === sequence, 'the server answers the batches in the order they were sent', { expected: sequence, got: answer.sequence });
      window.leave();
      yield answer;
    }
    if (window.inside > 0) throw endedEarly(window.inside);
  } catch (failure) {
    throw sendFailure === undefined ? statusToError(failure) : sendFailure.error;
  } finally {
    window.close();
    call.cancel();
  }
}

function endedEarly(unanswered: number): EngramError {
  return new EngramError('unavailable', `The server ended the stream with ${unanswered} batches unanswered.`, {
    hint: 'Send them again on a new stream, with the same ids or idempotency keys as before.',
    details: { indeterminate: true },
  });
}

async function sendEach(
  call: ClientDuplexStream<Buffer, Buffer>,
  batches: Iterable<DraftBatch> | AsyncIterable<DraftBatch>,
  window: Window,
  ackOfStream: AckLevel = 0,
): Promise<void> {
  let sequence = 0n;
  for await (const batch of batches) {
    if (!(await window.enter())) return;
    sequence += 1n;
    const { drafts, ack = ackOfStream } = 'drafts' in batch ? batch : { drafts: batch };
    const request = { sequence, ack, drafts: [...drafts] };
    await written(call, encodePartial(StoreStreamRequest, request, `batch ${sequence}`));
  }
  call.end();
}

/** Counts what is on its way and holds back who would exceed the bound. */
class Window {
  readonly #max: number;
  #inside = 0;
  #closed = false;
  #changed: () => void = () => undefined;

  constructor(max: number) {
    this.#max = max;
  }

  get inside(): number {
    return this.#inside;
  }

  /** Resolves once there is room; false when the window was closed instead. One waiter at a time. */
  async enter(): Promise<boolean> {
    while (this.#inside >= this.#max && !this.#closed) {
      await new Promise<void>((resolve) => (this.#changed = resolve));
    }
    this.#inside += 1;
    return !this.#closed;
  }

  leave(): void {
    this.#inside -= 1;
    this.#changed();
  }

  close(): void {
    this.#closed = true;
    this.#changed();
  }
}
