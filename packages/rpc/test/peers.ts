import { createHash } from 'node:crypto';
import { parseClusterId, parseNodeId, type NodeId } from '@engram/kernel';
import { Client, credentials, Metadata, Server, ServerCredentials, type ServiceError } from '@grpc/grpc-js';
import {
  callPeer,
  limitReadAhead,
  statusToError,
  toFrameService,
  type FrameChannel,
  type FrameListener,
  type FrameServiceOptions,
  type FrameStream,
  type FrameStreamOptions,
  type PeerIdentity,
  type StreamEnd,
} from '../src/index.js';

export const identity = (nodeId: string, clusterId = 'blue'): PeerIdentity => ({ nodeId: parseNodeId(nodeId), clusterId: parseClusterId(clusterId) });

/** What happened on one stream, and promises of what is still to happen. */
export class Recorder implements FrameListener {
  readonly received_: Buffer[] = [];
  readonly opened_ = deferred<void>();
  readonly closed_ = deferred<StreamEnd>();
  writable: () => void = () => undefined;
  #waiting: { readonly count: number; readonly enough: () => void } | undefined;

  opened(): void {
    this.opened_.resolve();
  }

  received(payload: Uint8Array): void {
    this.received_.push(Buffer.from(payload));
    if (this.#waiting !== undefined && this.received_.length >= this.#waiting.count) this.#waiting.enough();
  }

  closed(end: StreamEnd): void {
    this.closed_.resolve(end);
  }

  /** The frames, once there are so many. */
  async frames(count: number): Promise<readonly Buffer[]> {
    if (this.received_.length < count) await new Promise<void>((enough) => (this.#waiting = { count, enough }));
    return this.received_;
  }
}

export interface AcceptedStream {
  readonly peer: NodeId;
  readonly stream: FrameStream;
  readonly events: Recorder;
}

export interface PeerLoopback {
  readonly address: string;
  /** The next stream that is accepted. */
  accepted(): Promise<AcceptedStream>;
  readonly streams: readonly AcceptedStream[];
  call(self: PeerIdentity, peer: string, stream?: FrameStreamOptions): { readonly stream: FrameStream; readonly events: Recorder };
  close(): void;
}

/** A node that answers calls of other nodes, on a free port of 127.0.0.1. */
export async function startPeer(options: Partial<FrameServiceOptions> & { readonly channel?: FrameChannel; readonly messageBytesMax?: number } = {}): Promise<PeerLoopback> {
  const { channel = 'replication', messageBytesMax = 4 * 1024 * 1024 } = options;
  const server = new Server({ interceptors: [limitReadAhead(1)], 'grpc.max_receive_message_length': messageBytesMax });
  const streams: AcceptedStream[] = [];
  const waiting: ((stream: AcceptedStream) => void)[] = [];
  const accept = (peer: NodeId, stream: FrameStream): FrameListener => {
    const accepted = { peer, stream, events: new Recorder() };
    streams.push(accepted);
    waiting.shift()?.(accepted);
    return accepted.events;
  };
  const { definition, implementation } = toFrameService(channel, { self: () => identity('n2'), accept, ...options });
  server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  const address = `127.0.0.1:${port}`;
  const clients: Client[] = [];
  return {
    address,
    streams,
    accepted: () => new Promise((resolve) => waiting.push(resolve)),
    call(self, peer, stream = {}) {
      const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
      clients.push(client);
      const events = new Recorder();
      return { events, stream: callPeer(client, { channel, self, peer: parseNodeId(peer), stream }, events) };
    },
    close() {
      for (const client of clients) client.close();
      server.forceShutdown();
    },
  };
}

/** Calls as whoever the headers say, and resolves with how the call ended. */
export function refusalOf(address: string, headers: Record<string, string>, frames: readonly Buffer[] = []): Promise<ReturnType<typeof statusToError>> {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(headers)) metadata.set(key, value);
  const client = new Client(address, credentials.createInsecure(), { 'grpc.max_send_message_length': -1 });
  const same = (bytes: Buffer): Buffer => bytes;
  const call = client.makeBidiStreamRequest('/engram.v1.Replication/Stream', same, same, metadata);
  return new Promise((resolve) => {
    call.on('error', (error: ServiceError) => {
      client.close();
      resolve(statusToError(error));
    });
    call.resume();
    for (const frame of frames) call.write(frame);
  });
}

/** Tells frames apart; comparing large ones byte by byte takes the test library seconds. */
export const digest = (bytes: Uint8Array): string => `${bytes.byteLength} bytes ${createHash('sha1').update(bytes).digest('hex')}`;

export function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((given) => (resolve = given));
  return { promise, resolve };
}
