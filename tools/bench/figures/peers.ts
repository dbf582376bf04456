/** What the links between nodes cost: frames on a stream of replication, against a bare gRPC stream on the same server. */
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseClusterId, parseNodeId } from '@engram/kernel';
import { limitReadAhead } from '@engram/rpc';
import type { Figure, Finding } from '../figure.js';
import { interleavedRatio, median, noiseOf } from '../ratio.js';
import type { World } from '../world.js';

// The server is a program and exports nothing, so that what is measured here is found by its path.
const server = resolve(import.meta.dirname, '../../../apps/server');

/** What of them is used here. The types stand with what they describe, which the tools do not depend on. */
interface Peers {
  readonly PeerLinks: new (options: object) => {
    addService(host: GrpcHost): void;
    openStream(peer: string): void;
    send(stream: number, frame: Uint8Array): boolean;
    close(): Promise<void>;
  };
}
interface GrpcHost {
  addService(definition: object, handlers: object): void;
  bindAsync(address: string, credentials: unknown, bound: (error: Error | null, port: number) => void): void;
  forceShutdown(): void;
}
interface GrpcCall {
  write(frame: Uint8Array): boolean;
  cancel(): void;
  on(event: 'data' | 'error', listener: () => void): void;
}
interface Grpc {
  readonly Server: new (options?: object) => GrpcHost;
  readonly Client: new (address: string, credentials: unknown) => {
    makeBidiStreamRequest(path: string, serialize: (frame: Uint8Array) => Buffer, deserialize: (bytes: Buffer) => Buffer): GrpcCall;
    close(): void;
  };
  readonly credentials: { createInsecure(): unknown };
  readonly ServerCredentials: { createInsecure(): unknown };
}

const ENTRIES_OF_BATCH = 64;
/** As a small memory is written into the log. */
const ENTRY_BYTES = 256;
/** Frames that may be on their way: both subjects are held to it, so that neither measures its buffers. */
const FRAMES_UNDERWAY = 256;

const loads = [
  { label: 'frames of 1 KiB', bytes: 1_024, entries: 1 },
  { label: `batches of ${ENTRIES_OF_BATCH} entries`, bytes: ENTRIES_OF_BATCH * ENTRY_BYTES, entries: ENTRIES_OF_BATCH },
] as const;

/** One way for frames from here to there; `received` is called for each that arrives. */
interface Pipe {
  send(frame: Uint8Array): void;
  received: () => void;
  close(): Promise<void>;
}

export async function measurePeers({ sizes, progress }: World): Promise<Figure> {
  const grpc = createRequire(resolve(server, 'package.json'))('@grpc/grpc-js') as Grpc;
  const { PeerLinks } = (await import(pathToFileURL(resolve(server, 'src/peers/index.ts')).href)) as Peers;
  const bars: Figure['bars'][number][] = [];
  const findings: Finding[] = [];
  let noise: Figure['noise'] | undefined;
  for (const { label, bytes, entries } of loads) {
    const frame = new Uint8Array(bytes).fill(7);
    const bare = await barePipe(grpc);
    const links = await linkedPipe(grpc, PeerLinks);
    try {
      const [base, ours]: [Round[], Round[]] = [[], []];
      for (const pipe of [bare, links]) await measured(pipe, frame, sizes.warmUpMs / 4);
      for (let round = 0; round < sizes.rounds; round += 1) {
        progress(`peers, ${label}, round ${round + 1} of ${sizes.rounds}`);
        base.push(await measured(bare, frame, sizes.roundMs / 2));
        ours.push(await measured(links, frame, sizes.roundMs / 2));
      }
      base.push(await measured(bare, frame, sizes.roundMs / 2));
      const [baseRates, rates] = [base, ours].map((rounds) => rounds.map(({ perSecond }) => perSecond)) as [number[], number[]];
      const [baseMicros, micros] = [base, ours].map((rounds) => rounds.map(({ microsEach }) => microsEach)) as [number[], number[]];
      const rate = interleavedRatio(rates, baseRates);
      const cost = interleavedRatio(micros, baseMicros);
      bars.push({ label: `bare gRPC stream, ${label}`, perSecond: baseRates, serverMicros: median(baseMicros) }, { label: `links between nodes, ${label}`, perSecond: rates, serverMicros: median(micros) });
      findings.push({ label: `links ÷ bare stream, ${label}`, value: rate.value, unit: '×', range: [rate.lowest, rate.highest] });
      findings.push({ label: `processor time of a frame, links ÷ bare stream, ${label}`, value: cost.value, unit: '×', range: [cost.lowest, cost.highest] });
      if (entries > 1) findings.push({ label: 'processor time of 1000 entries by the links', value: median(micros) / entries, unit: 'ms' });
      noise ??= { ...noiseOf(baseRates), baseline: `frames per second of a bare stream, ${label}`, unit: '/s' };
    } finally {
      await bare.close();
      await links.close();
    }
  }
  return {
    name: 'peers',
    title: 'Frames between two nodes, one stream over loopback',
    bars,
    findings,
    noise: noise!,
    notes: [
      `Both ends run in one process, so that a second stands for the work of sender and receiver together. At most ${FRAMES_UNDERWAY} frames are under way. The bare stream checks nothing, bounds nothing and hands over the bytes it was given; a link copies them into a frame, counts what waits, and reads ahead one frame.`,
    ],
  };
}

interface Round {
  readonly perSecond: number;
  /** Processor time of both ends for each frame. It hardly depends on what else the machine does. */
  readonly microsEach: number;
}

function measured(pipe: Pipe, frame: Uint8Array, ms: number): Promise<Round> {
  return new Promise((done) => {
    const cpu = process.cpuUsage();
    const startedAt = performance.now();
    let [sent, arrived] = [0, 0];
    const fill = (): void => {
      while (sent - arrived < FRAMES_UNDERWAY) {
        sent += 1;
        pipe.send(frame);
      }
    };
    let over: number | undefined;
    pipe.received = () => {
      arrived += 1;
      if (over === undefined && performance.now() - startedAt >= ms) over = arrived / ((performance.now() - startedAt) / 1_000);
      // What is still under way must not count for the next round.
      if (over === undefined) fill();
      else if (arrived === sent) {
        const { user, system } = process.cpuUsage(cpu);
        done({ perSecond: over, microsEach: (user + system) / arrived });
      }
    };
    fill();
  });
}

async function barePipe(grpc: Grpc): Promise<Pipe> {
  const same = (bytes: Buffer): Buffer => bytes;
  const path = '/bare.Frames/Stream';
  const method = { path, requestStream: true, responseStream: true, requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
  const host = new grpc.Server();
  const pipe: Pipe = { send: (frame) => void call.write(frame), received: () => undefined, close: async () => (call.cancel(), client.close(), host.forceShutdown()) };
  host.addService({ stream: method }, {
    stream: (call: GrpcCall) => {
      call.on('error', () => undefined);
      call.on('data', () => pipe.received());
    },
  });
  const client = new grpc.Client(`127.0.0.1:${await listening(grpc, host)}`, grpc.credentials.createInsecure());
  const call = client.makeBidiStreamRequest(path, (frame: Uint8Array) => Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength), same);
  call.on('error', () => undefined);
  return pipe;
}

async function linkedPipe(grpc: Grpc, PeerLinks: Peers['PeerLinks']): Promise<Pipe> {
  const [near, far] = [parseNodeId('near'), parseNodeId('far')];
  const pipe: Pipe = { send: (frame) => void links.send(stream, frame), received: () => undefined, close: async () => (await links.close(), await others.close(), host.forceShutdown()) };
  let opened: (stream: number) => void = () => undefined;
  const nothing = (): void => undefined;
  const common = { clusterId: () => parseClusterId('bench'), poolSize: 4, maxMessageBytes: 4 * 1024 * 1024, log: { info: nothing, warn: nothing }, onControl: nothing };
  const others = new PeerLinks({ ...common, self: far, addressOf: () => undefined, replication: { opened: nothing, failed: nothing, accepted: nothing, closed: nothing, received: () => pipe.received() } });
  const host = new grpc.Server({ interceptors: [limitReadAhead(1)] });
  others.addService(host);
  const address = `127.0.0.1:${await listening(grpc, host)}`;
  const links = new PeerLinks({ ...common, self: near, addressOf: () => address, replication: { opened: (_peer: string, made: number) => opened(made), failed: nothing, accepted: nothing, closed: nothing, received: nothing } });
  const stream = await new Promise<number>((resolve) => {
    opened = resolve;
    links.openStream(far);
  });
  return pipe;
}

function listening(grpc: Grpc, host: GrpcHost): Promise<number> {
  return new Promise((resolve, reject) => {
    host.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, port) => (error === null ? resolve(port) : reject(error)));
  });
}
