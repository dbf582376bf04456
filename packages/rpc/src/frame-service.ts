import { assert, EngramError, isNodeId, type NodeId } from '@engram/kernel';
import type { Client, Metadata, ServerDuplexStream, UntypedServiceImplementation } from '@grpc/grpc-js';
import { methodPath } from './definition.js';
import { errorToStatus, statusToError } from './error-detail.js';
import { FrameStream, resolveFrameStreamOptions, type FrameListener, type FrameStreamOptions } from './frame-stream.js';
import { ForwardingDefinition, RegisterDefinition, ReplicationDefinition } from './gen/engram/v1/peer.js';
import type { GrpcService } from './grpc-service.js';
import { introduction, readIntroduction, type PeerIdentity } from './peer-identity.js';
import { messageTaken } from './read-ahead.js';

/** The conversations between nodes: `replication` and `forwarding` must have no gaps, `register` is lossy. */
export type FrameChannel = 'replication' | 'register' | 'forwarding';

const contracts = {
  replication: { service: ReplicationDefinition, key: 'stream', method: ReplicationDefinition.methods.stream },
  register: { service: RegisterDefinition, key: 'exchange', method: RegisterDefinition.methods.exchange },
  forwarding: { service: ForwardingDefinition, key: 'exchange', method: ForwardingDefinition.methods.exchange },
} as const;

const sameBytes = (bytes: Buffer): Buffer => bytes;

/** How a node answers calls of other nodes. */
export interface FrameServiceOptions {
  /** Who this node is; undefined while it belongs to no cluster, and calls are refused as `not_ready`. */
  readonly self: () => PeerIdentity | undefined;
  /**
   * A node of this cluster has called. Returns who hears of the stream, first that it is open; whatever it throws becomes
   * the status of the call.
   */
  readonly accept: (peer: NodeId, stream: FrameStream) => FrameListener;
  /** A call was refused before a frame of it was handled. */
  readonly onRefused?: (error: EngramError, address: string) => void;
  readonly stream?: FrameStreamOptions;
}

/**
 * A service between nodes, for `server.addService`. Who calls is checked before anything else: a node of another
 * cluster, of another protocol version or without a name is refused with `invalid_argument`.
 *
 * The limits of a message and of what is read ahead are those of the server it is added to.
 */
export function toFrameService(channel: FrameChannel, options: FrameServiceOptions): GrpcService {
  const { service, key, method } = contracts[channel];
  const serve = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    // Without a listener the event alone would end the process.
    call.on('error', () => undefined);
    const self = options.self();
    try {
      if (self === undefined) throw new EngramError('not_ready', 'This node belongs to no cluster yet.');
      const peer = readIntroduction(call.metadata, self);
      const heard = new LateListener();
      const stream = new FrameStream(calledEnd(call, self.nodeId), heard, options.stream);
      try {
        heard.become(options.accept(peer, stream));
      } catch (error) {
        stream.fail(foreseen(error));
        throw error;
      }
      if (stream.over) return;
      call.sendMetadata(introduction(self));
      stream.introduced();
    } catch (error) {
      const known = foreseen(error);
      options.onRefused?.(known, call.getPeer());
      if (!call.writableEnded) call.emit('error', errorToStatus(known, self === undefined ? {} : { node: self.nodeId }));
    }
  };
  const implementation: UntypedServiceImplementation = { [key]: serve };
  return {
    definition: {
      [key]: {
        path: methodPath(service, method),
        requestStream: true,
        responseStream: true,
        requestSerialize: sameBytes,
        requestDeserialize: sameBytes,
        responseSerialize: sameBytes,
        responseDeserialize: sameBytes,
      },
    },
    implementation,
  };
}

/** Whom to call, and as whom. */
export interface FrameCall {
  readonly channel: FrameChannel;
  readonly self: PeerIdentity;
  /** Who must answer; another node at the same address is refused. */
  readonly peer: NodeId;
  readonly stream?: FrameStreamOptions;
}

/** Calls another node. The stream can be sent on at once; it is open when the listener hears so. Connects when needed. */
export function callPeer(client: Client, { channel, self, peer, stream: options }: FrameCall, listener: FrameListener): FrameStream {
  assert(isNodeId(peer), 'a node is called by its id', { peer });
  const { service, method } = contracts[channel];
  const resolved = resolveFrameStreamOptions(options);
  const call = client.makeBidiStreamRequest(methodPath(service, method), sameBytes, sameBytes, introduction(self));
  let aborted = false;
  const stream = new FrameStream(
    {
      role: 'caller',
      duplex: call,
      taken: () => undefined,
      end: () => call.end(),
      abort() {
        aborted = true;
        call.cancel();
      },
    },
    listener,
    resolved,
  );
  call.on('metadata', (metadata: Metadata) => {
    if (aborted) return;
    try {
      const answered = readIntroduction(metadata, self);
      if (answered !== peer) throw new EngramError('unavailable', `The node at this address is ${answered}, not ${peer}.`, { hint: 'The address has changed hands; wait until this node hears of the new one.' });
      stream.introduced();
    } catch (error) {
      stream.fail(statusToError(error));
    }
  });
  return stream;
}

/** The text of an error that nobody foresaw is for our logs, as its cause, and not for the other node. */
function foreseen(error: unknown): EngramError {
  return error instanceof EngramError ? error : new EngramError('internal', 'The node failed while it took the call.', { cause: error });
}

function calledEnd(call: ServerDuplexStream<Buffer, Buffer>, node: NodeId) {
  const finish = (error: EngramError): void => {
    // This is how grpc-js takes the status of a stream: it sends what was written, then ends the call with it.
    if (!call.destroyed && !call.writableEnded) call.emit('error', errorToStatus(error, { node }));
  };
  return {
    role: 'called' as const,
    duplex: call,
    taken: () => messageTaken(call.metadata),
    end: () => void call.end(),
    abort: finish,
  };
}

/** Stands in until whoever accepts the stream has said who listens; nothing is heard before, as all of it comes later. */
class LateListener implements FrameListener {
  #listener: FrameListener | undefined;

  become(listener: FrameListener): void {
    this.#listener = listener;
  }

  opened(): void {
    this.#listener?.opened?.();
  }

  received(payload: Uint8Array): void {
    this.#listener?.received(payload);
  }

  writable(): void {
    this.#listener?.writable?.();
  }

  closed(end: Parameters<FrameListener['closed']>[0]): void {
    this.#listener?.closed(end);
  }
}

/** Whether a node refused for a reason that a further try will not change. */
export function isRefusal(error: EngramError | undefined): boolean {
  return error?.code === 'invalid_argument';
}
