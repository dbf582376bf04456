import { EngramError, type NodeId } from '@engram/kernel';
import { Metadata } from '@grpc/grpc-js';
import type { ServedCall } from './call-context.js';
import { decodeMessage, encodeMessage } from './codec.js';
import { errorToDetail, statusToError, type FailureContext } from './error-detail.js';
import type { FrameListener, FrameStream } from './frame-stream.js';
import { ForwardedAnswers, ForwardedCalls, type ForwardedAnswer, type ForwardedCall } from './gen/engram/v1/peer.js';
import type { CallAnswerer } from './grpc-service.js';
import { Parcels } from './parcels.js';

/** Whose calls are answered, by whom, and how many at a time. */
export interface AnswerForwardedOptions {
  /** The node that calls. */
  readonly peer: NodeId;
  readonly answer: CallAnswerer;
  /** What every call of this node carries besides its own metadata, whatever that says: who passed it on. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Aborts when this node stops: then the other node is asked to call no more, and what it has called is still answered. */
  readonly stopping?: AbortSignal;
  /** Calls at work at once; further ones are refused as overloaded. @default 1024 */
  readonly callsMax?: number;
}

/** An answer's id and the header of a message in a message. */
const answerBytesBeside = 16;

/** Answers the calls that arrive on a stream. Answers that come about within one turn of the event loop leave together. */
export function answerForwarded(stream: FrameStream, options: AnswerForwardedOptions): FrameListener {
  const { peer, answer, metadata, stopping, callsMax = 1_024 } = options;
  /** What is at work, and whom to tell when the other node goes. */
  const atWork = new Map<ForwardedCall, () => void>();
  const say = (answers: ForwardedAnswer[], isStopping = false): void => {
    const outcome = stream.send(encodeMessage(ForwardedAnswers, { answers, stopping: isStopping }, 'answers for another node'));
    if (outcome !== 'too-large') return;
    const [first, ...rest] = answers as [ForwardedAnswer, ...ForwardedAnswer[]];
    // Together they fit into a frame unless one is larger than any frame may be, and that one is alone.
    if (rest.length === 0) say([refusal(first.id, new EngramError('payload_too_large', 'The answer is larger than a message between nodes may be.', { hint: 'Raise network.max_message_size on every node.' }))]);
    else for (const one of answers) say([one]);
  };
  const parcels = new Parcels<ForwardedAnswer>(sizeOf, say);
  const serve = async (call: ForwardedCall): Promise<void> => {
    atWork.set(call, () => undefined);
    const { request } = call;
    const answered = await answer(call.method, Buffer.from(request.buffer, request.byteOffset, request.byteLength), servedCall(call, peer, metadata, (cancel) => atWork.set(call, cancel)));
    atWork.delete(call);
    if (answered.outcome === 'failed') return parcels.add(refusal(call.id, answered.error, answered.context));
    const { response, metadata: beside = new Map<string, string>() } = answered;
    parcels.add({ id: call.id, result: { $case: 'response', value: response }, metadata: beside as Map<string, string> });
  };
  const stop = (): void => say([], true);
  return {
    opened() {
      if (stopping?.aborted === true) stop();
      else stopping?.addEventListener('abort', stop, { once: true });
    },
    received(payload) {
      let calls: readonly ForwardedCall[];
      try {
        ({ calls } = decodeMessage(ForwardedCalls, payload, 'calls of another node'));
      } catch (error) {
        return stream.fail(statusToError(error));
      }
      for (const call of calls) {
        if (atWork.size < callsMax) void serve(call);
        else parcels.add(refusal(call.id, new EngramError('overloaded', `${atWork.size} calls of ${peer} are at work, and no more may be; nothing of this one was done.`)));
      }
    },
    closed() {
      stopping?.removeEventListener('abort', stop);
      for (const cancel of atWork.values()) cancel();
    },
  };
}

function refusal(id: number, error: unknown, context?: FailureContext): ForwardedAnswer {
  return { id, result: { $case: 'error', value: errorToDetail(error, context) }, metadata: new Map() };
}

/** A call as handlers know it. Keys that no metadata may have are the caller's mistake and are left out. */
function servedCall({ timeoutMs, metadata: given }: ForwardedCall, peer: NodeId, ours: Readonly<Record<string, string>>, onGone: (cancel: () => void) => void): ServedCall {
  const metadata = new Metadata();
  for (const [key, value] of given) if (/^[a-z0-9-]+$/.test(key) && !key.endsWith('-bin')) metadata.set(key, value.replace(/[^\x20-\x7e]/g, ''));
  for (const [key, value] of Object.entries(ours)) metadata.set(key, value);
  const deadlineMs = Date.now() + timeoutMs;
  return { cancelled: false, metadata, getPeer: () => peer, getDeadline: () => deadlineMs, once: (_event, listener) => onGone(listener) };
}

function sizeOf({ result }: ForwardedAnswer): number {
  return answerBytesBeside + (result?.$case === 'response' ? result.value.byteLength : 1_024);
}
