import { createServer, connect, type Server as NetServer, type Socket } from 'node:net';
import { parseClusterId, parseNodeId, type NodeId } from '@engram/kernel';
import { limitReadAhead } from '@engram/rpc';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { PeerLinks, type PeerLinksOptions } from '../src/peers/index.js';

export type PeerEvent =
  | { readonly kind: 'control'; readonly from: NodeId; readonly bytes: Buffer }
  | { readonly kind: 'opened'; readonly peer: NodeId; readonly stream: number }
  | { readonly kind: 'failed'; readonly peer: NodeId }
  | { readonly kind: 'accepted'; readonly peer: NodeId; readonly stream: number }
  | { readonly kind: 'received'; readonly stream: number; readonly bytes: Buffer }
  | { readonly kind: 'closed'; readonly stream: number };

/** A node that has links to others and nothing else: a gRPC server on loopback, and a record of what it was told. */
export class PeerNode {
  readonly id: NodeId;
  readonly events: PeerEvent[] = [];
  readonly logged: { readonly level: string; readonly message: string; readonly reason?: unknown }[] = [];
  readonly links: PeerLinks;
  server: Server | undefined;
  port = 0;
  readonly #watchers = new Set<() => void>();

  constructor(id: string, addressOf: (node: NodeId) => string | undefined, changes: Partial<PeerLinksOptions> = {}) {
    this.id = parseNodeId(id);
    const log = (level: string) => (details: object, message: string) => void this.logged.push({ level, message, ...('reason' in details ? { reason: details.reason } : {}) });
    this.links = new PeerLinks({
      self: this.id,
      clusterId: () => parseClusterId('blue'),
      addressOf,
      poolSize: 4,
      maxMessageBytes: 4 * 1024 * 1024,
      log: { info: log('info'), warn: log('warn') },
      onControl: (from, bytes) => this.#happened({ kind: 'control', from, bytes: Buffer.from(bytes) }),
      replication: {
        opened: (peer, stream) => this.#happened({ kind: 'opened', peer, stream }),
        failed: (peer) => this.#happened({ kind: 'failed', peer }),
        accepted: (stream, peer) => this.#happened({ kind: 'accepted', peer, stream }),
        received: (stream, bytes) => this.#happened({ kind: 'received', stream, bytes: Buffer.from(bytes) }),
        closed: (stream) => this.#happened({ kind: 'closed', stream }),
      },
      ...changes,
    });
  }

  /** Answers calls, on `port` or on a free one. */
  async listen(port = 0): Promise<void> {
    const server = new Server({ interceptors: [limitReadAhead(1)], 'grpc.so_reuseport': 0 });
    this.links.addService(server);
    this.port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
    });
    this.server = server;
  }

  /** Ends every connection at once, as a killed process does. */
  kill(): void {
    this.server?.forceShutdown();
    this.server = undefined;
  }

  /** What was told of one kind. */
  of<Kind extends PeerEvent['kind']>(kind: Kind): readonly Extract<PeerEvent, { kind: Kind }>[] {
    return this.events.filter((event): event is Extract<PeerEvent, { kind: Kind }> => event.kind === kind);
  }

  /** The events of one kind, once there are so many. */
  async until<Kind extends PeerEvent['kind']>(kind: Kind, count = 1): Promise<readonly Extract<PeerEvent, { kind: Kind }>[]> {
    while (this.of(kind).length < count) await this.#nextEvent();
    return this.of(kind);
  }

  async close(): Promise<void> {
    await this.links.close();
    this.kill();
  }

  #happened(event: PeerEvent): void {
    this.events.push(event);
    for (const watcher of [...this.#watchers]) watcher();
  }

  #nextEvent(): Promise<void> {
    return new Promise((resolve) => {
      const watcher = (): void => {
        this.#watchers.delete(watcher);
        resolve();
      };
      this.#watchers.add(watcher);
    });
  }
}

/** A wire that can be cut without either end being told, as a switch that loses power does. */
export class CutableWire {
  readonly #server: NetServer;
  readonly #sockets: Socket[] = [];
  #cut = false;

  private constructor(server: NetServer) {
    this.#server = server;
  }

  static async to(port: () => number): Promise<CutableWire> {
    const server = createServer({ pauseOnConnect: true });
    const wire = new CutableWire(server);
    server.on('connection', (near) => {
      wire.#sockets.push(near);
      near.on('error', () => undefined);
      if (wire.#cut) return;
      const far = connect(port(), '127.0.0.1');
      far.on('error', () => near.destroy());
      wire.#sockets.push(far);
      for (const [from, into] of [[near, far], [far, near]] as const) {
        from.on('data', (bytes) => void (wire.#cut || into.write(bytes)));
        from.on('close', () => void (wire.#cut || into.destroy()));
      }
      near.resume();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return wire;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  cut(): void {
    this.#cut = true;
  }

  mend(): void {
    this.#cut = false;
    for (const socket of this.#sockets.splice(0)) socket.destroy();
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}
