import { ManualClock, parseClusterId, parseNodeId, Driver, Random } from '@engram/kernel';
import { decodePacket, packetHeader, SwimCore, swimPresets, type Address, type DecodeLimits, type SwimEffect, type SwimEvent } from '../src/core/index.js';
import { createSwim, generateKey, Keyring, type SwimNode } from '../src/index.js';
import { Seal } from '../src/node/seal.js';
import { sealedDatagrams } from '../src/node/datagram-guard.js';
import { HostileDatagrams } from './hostile-datagrams.js';

export interface TrialOptions {
  readonly seed: string;
  readonly count: number;
  /** Called now and then with how many have been handled. */
  readonly onProgress?: (done: number) => void;
}

export interface TrialReport {
  /** Datagrams handed in that a receiver has to drop. */
  readonly hostile: number;
  /** Dropped by reason; sums up to `hostile`. */
  readonly rejected: Readonly<Record<string, number>>;
  /** Members that changed, were invented or disappeared. */
  readonly changes: number;
  /** Probes of the good neighbour that were answered meanwhile, and those that were not. */
  readonly acked: number;
  readonly unanswered: number;
  readonly heapGrowthBytes: number;
  readonly microsPerDatagram: number;
}

const cluster = parseClusterId('fuzzed');
const header = packetHeader(cluster);
const limits: DecodeLimits = { datagramBytesMax: 8_192, streamBytesMax: 1_048_576, metadataBytesMax: 16_384 };
/** After so many the event loop gets a turn, so that the neighbours can talk. */
const batch = 500;

const isRejected = (bytes: Uint8Array): boolean => decodePacket(bytes, header, 'datagram', limits).kind === 'rejected';

/**
 * Two neighbours on real sockets, without keys. One of them is given malformed datagrams where its socket would give
 * them, from ever new addresses: each has to be counted by its reason and nothing else may happen.
 */
export function fuzzPlain(options: TrialOptions): Promise<TrialReport> {
  const random = Random.fromSeed(options.seed);
  const hostile = new HostileDatagrams(random.fork('datagrams'), cluster, ['a', 'b', 'c', 'd']);
  const next = (): Uint8Array => {
    for (;;) {
      const { bytes } = hostile.next();
      // What happens to be well-formed after all is the business of `fuzzCore`.
      if (isRejected(bytes)) return bytes;
    }
  };
  return besideTraffic(options, {}, next);
}

/**
 * The same with keys: besides all that is malformed, well-formed packets of somebody without the key, packets under a
 * key of their own, and packets of ours that were recorded and changed or sent again.
 */
export function fuzzSealed(options: TrialOptions): Promise<TrialReport> {
  const random = Random.fromSeed(options.seed);
  const hostile = new HostileDatagrams(random.fork('datagrams'), cluster, ['a', 'b', 'c', 'd']);
  const key = generateKey();
  const recorder = sealedDatagrams(new Seal(new Keyring(key), cluster));
  const stranger = sealedDatagrams(new Seal(new Keyring(generateKey()), cluster));
  const recorded = Array.from({ length: 256 }, () => recorder.seal(hostile.valid()));
  const changed = (): Uint8Array => {
    const bytes = Uint8Array.from(random.pick(recorded));
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] as number) ^ (1 + random.below(255));
    return bytes;
  };
  const ways: readonly (() => Uint8Array)[] = [
    () => hostile.next().bytes,
    () => hostile.valid(),
    () => stranger.seal(hostile.valid()),
    changed,
    changed,
    () => random.pick(recorded).slice(0, random.below(60)),
    () => Buffer.concat([random.pick(recorded).subarray(0, 11), random.bytes(random.below(1_200))]),
  ];
  return besideTraffic(options, { keyring: () => new Keyring(key) }, () => random.pick(ways)());
}

async function besideTraffic({ seed, count, onProgress }: TrialOptions, { keyring }: { readonly keyring?: () => Keyring }, next: () => Uint8Array): Promise<TrialReport> {
  const start = (name: string, seeds: readonly string[]): Promise<SwimNode> =>
    createSwim({ cluster, name, bind: '127.0.0.1:0', preset: 'fast', seeds, ...(keyring && { keyring: keyring() }) });
  const a = await start('a', []);
  const b = await start('b', [a.address]);
  try {
    await a.join();
    await b.join();
    const random = Random.fromSeed(seed).fork('addresses');
    const before = a.metrics();
    const version = a.members.version;
    const heap = settledHeap();
    let micros = 0;
    for (let done = 0; done < count; done += batch) {
      const size = Math.min(batch, count - done);
      const packets = Array.from({ length: size }, next);
      const from = performance.now();
      for (const bytes of packets) a.receiveDatagram(`10.${random.below(256)}.${random.below(256)}.${random.below(256)}:${1 + random.below(65_535)}` as Address, bytes);
      micros += (performance.now() - from) * 1_000;
      onProgress?.(done + size);
      await new Promise(setImmediate);
    }
    // The neighbours go on as before.
    const probed = a.metrics().probes.acked;
    while (a.metrics().probes.acked < probed + 2) await new Promise((soon) => setTimeout(soon, 20));
    const after = a.metrics();
    const rejected = difference(after.rejected, before.rejected);
    return {
      hostile: count,
      rejected,
      changes: a.members.version - version + (a.members.reachable.length === 2 ? 0 : 1),
      acked: after.probes.acked - before.probes.acked,
      unanswered: after.probes.failed - before.probes.failed,
      heapGrowthBytes: settledHeap() - heap,
      microsPerDatagram: micros / count,
    };
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
}

export interface CoreReport {
  readonly accepted: number;
  readonly rejected: number;
  readonly membersMost: number;
  readonly broadcastsMost: number;
  readonly heapGrowthBytes: number;
}

/**
 * A core without sockets is given everything, also what is well-formed by accident or on purpose: inventions about
 * members that do not exist, about its neighbours and about itself. It must neither throw nor grow beyond its bounds.
 */
export function fuzzCore({ seed, count, onProgress }: TrialOptions): CoreReport {
  const random = Random.fromSeed(seed);
  const names = Array.from({ length: 2_000 }, (_, i) => `m${i}`);
  const hostile = new HostileDatagrams(random.fork('datagrams'), cluster, ['a', ...names]);
  const clock = new ManualClock();
  const options = { ...swimPresets.fast, membersMax: 500 };
  const core = new SwimCore({ cluster, id: parseNodeId('a'), address: '127.0.0.1:1' as Address, epoch: 1_000 }, random.fork('swim'), options);
  const driver: Driver<SwimEvent, SwimEffect> = new Driver<SwimEvent, SwimEffect>(core, clock, (effect) => {
    if (effect.kind === 'open-stream') driver.dispatch({ kind: 'stream-closed', stream: effect.stream, reason: 'nobody there' });
  });
  driver.dispatch({ kind: 'join', request: 1 });
  const heap = settledHeap();
  let membersMost = 0;
  let broadcastsMost = 0;
  for (let done = 0; done < count; done++) {
    const bytes = random.chance(0.2) ? hostile.valid() : hostile.next().bytes;
    driver.dispatch(random.chance(0.8) ? { kind: 'datagram-received', from: '127.0.0.1:9' as Address, bytes } : { kind: 'stream-received', stream: -1 - done, from: '127.0.0.1:9' as Address, bytes });
    if (random.chance(0.2)) clock.advance(random.below(20));
    if (done % 256 === 0) {
      membersMost = Math.max(membersMost, core.view().members.length);
      broadcastsMost = Math.max(broadcastsMost, core.stats().broadcastsQueued);
      onProgress?.(done);
    }
  }
  const { rejectedTotal } = core.stats();
  driver.stop();
  return { accepted: count - rejectedTotal, rejected: rejectedTotal, membersMost, broadcastsMost, heapGrowthBytes: settledHeap() - heap };
}

/** Without `--expose-gc` this says less, as garbage counts too. */
function settledHeap(): number {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed;
}

function difference(after: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>): Record<string, number> {
  const entries = Object.entries(after).map(([reason, total]) => [reason, total - (before[reason] ?? 0)] as const);
  return Object.fromEntries(entries.filter(([, count]) => count > 0));
}

export function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
