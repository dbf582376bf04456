import { EngramError } from '@engram/kernel';
import type { MessageCodec } from './definition.js';
import type { DeepPartial } from './gen/engram/v1/memory.js';
import { StrictReader, StrictWriter } from './strict-wire.js';

/** Largest message either end accepts unless told otherwise, in bytes. */
export const defaultMessageBytesMax = 4 * 1024 * 1024;

/**
 * The bytes of a message.
 *
 * @param what Names the message in a complaint: `the request`.
 * @throws EngramError `invalid_argument` when it holds what the wire cannot carry, such as a lone surrogate or an
 *   object that contains itself.
 */
export function encodeMessage<Message>(codec: Pick<MessageCodec<Message>, 'encode'>, message: Message, what: string): Buffer {
  try {
    const bytes = codec.encode(message, new StrictWriter()).finish();
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  } catch (cause) {
    throw new EngramError('invalid_argument', `${what} cannot be encoded: ${reasonOf(cause)}.`, { cause });
  }
}

/** A codec that fills in the fields which a message leaves out. */
export interface PartialCodec<Message> extends MessageCodec<Message> {
  fromPartial(partial: DeepPartial<Message>): Message;
}

/** The bytes of a message whose absent fields take their defaults. @throws as {@link encodeMessage} */
export function encodePartial<Message>(codec: PartialCodec<Message>, partial: DeepPartial<Message>, what: string): Buffer {
  return encodeMessage({ encode: (given: DeepPartial<Message>, writer) => codec.encode(codec.fromPartial(given), writer) }, partial, what);
}

/** @throws EngramError `invalid_argument` when the bytes are not such a message. */
export function decodeMessage<Message>(codec: Pick<MessageCodec<Message>, 'decode'>, bytes: Uint8Array, what: string): Message {
  try {
    return codec.decode(new StrictReader(bytes));
  } catch (cause) {
    throw new EngramError('invalid_argument', `${what} cannot be decoded: ${reasonOf(cause)}.`, {
      hint: 'Encode it as the engram/v1 contract says; every text must be valid UTF-8.',
      cause,
    });
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message.replace(/\.$/, '') : String(cause);
}
