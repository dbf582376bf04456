import {
  ServerInterceptingCall,
  type Metadata,
  type ServerInterceptingCallInterface,
  type ServerInterceptor,
} from '@grpc/grpc-js';
import { OptionsError } from '@engram/kernel';

/** grpc-js does not export this one by its name. */
type InterceptingServerListener = Parameters<ServerInterceptingCall['start']>[0];

/** By the metadata of a call: the one object that an interceptor and a handler both see, and no other call has. */
const gates = new WeakMap<Metadata, ReadGate>();

/**
 * Bounds how many messages of a request stream wait in memory for their handler; for the `interceptors` of a grpc-js
 * server. Without it a stream holds 16, because that many objects is what a Node stream likes to have at hand, whatever
 * their size. What is not read stays with the client, held back by flow control.
 */
export function limitReadAhead(messagesMax: number): ServerInterceptor {
  if (!Number.isInteger(messagesMax) || messagesMax < 1) throw new OptionsError('messagesMax', 'must be a positive whole number');
  return (method, call) => (method.requestStream ? new ReadGate(call, messagesMax) : new ServerInterceptingCall(call));
}

/** To be called when a handler has taken a message from the stream of the call with this metadata. */
export function messageTaken(metadata: Metadata): void {
  gates.get(metadata)?.taken();
}

/** Invariant: `waiting <= messagesMax`, and a read that would break it is put off until a message is taken. */
class ReadGate extends ServerInterceptingCall {
  readonly #messagesMax: number;
  #waiting = 0;
  #readPutOff = false;

  constructor(call: ServerInterceptingCallInterface, messagesMax: number) {
    super(call);
    this.#messagesMax = messagesMax;
  }

  override start(listener: InterceptingServerListener): void {
    super.start({
      onReceiveMetadata: (metadata) => {
        gates.set(metadata, this);
        listener.onReceiveMetadata(metadata);
      },
      onReceiveMessage: (message) => {
        this.#waiting += 1;
        listener.onReceiveMessage(message);
      },
      onReceiveHalfClose: () => listener.onReceiveHalfClose(),
      onCancel: () => listener.onCancel(),
    });
  }

  override startRead(): void {
    if (this.#waiting < this.#messagesMax) super.startRead();
    else this.#readPutOff = true;
  }

  taken(): void {
    this.#waiting -= 1;
    if (!this.#readPutOff) return;
    this.#readPutOff = false;
    super.startRead();
  }
}
