import { networkInterfaces } from 'node:os';
import { EngramError, OptionsError, parseClusterId, parseNodeId, type Clock, type ClusterId } from '@engram/kernel';
import { systemClock, systemRandom, wallClockMs } from '@engram/kernel/node';
import { checkMetadata, resolveSwimOptions, swimPresets, type Address, type ResolvedSwimOptions, type SwimOptions, type SwimPreset } from '../core/index.js';
import { bindTransports, type Transports } from './bind-transports.js';
import { plainConversations, sealedConversations, type Conversations } from './conversation.js';
import { plainDatagrams, sealedDatagrams, type DatagramGuard } from './datagram-guard.js';
import { addressOf, familyOf, isWildcard, parseEndpoint, type Endpoint } from './endpoint.js';
import { EpochFile } from './epoch-file.js';
import { HostBook } from './host-book.js';
import { Keyring } from './keyring.js';
import { lookupWithin, machineLookup, type Lookup } from './lookup.js';
import { bytesMetadata, type MetadataCodec } from './member-view.js';
import { Seal, sealOverheadBytes } from './seal.js';
import { checkSeeds, Seeds, type SeedSource } from './seeds.js';
import { SwimNode } from './swim-node.js';

/** Who the node is, where it listens, whom it asks first, and how fast its cluster is. */
export interface CreateSwimOptions<M = Uint8Array> {
  /** Nodes of other clusters are turned away, whatever address they use. */
  readonly cluster: string;
  /** When it is known from an earlier start: nodes of a cluster of the same name and another id are turned away too. @default what the others say */
  readonly clusterId?: string;
  /** Of this node; no two nodes of a cluster may have one. */
  readonly name: string;
  /** `host:port` to listen on, UDP and TCP. `0.0.0.0` and `[::]` listen everywhere; port 0 lets the system choose. */
  readonly bind: string;
  /** Where others reach this node: a literal or a name, the bound port when it has none. @default what is bound; for a wildcard the first address of this machine */
  readonly advertise?: string;
  /** A few nodes to begin with. The list may contain this node. @default [] */
  readonly seeds?: SeedSource;
  /** The pace of the cluster; the same on all nodes. @default 'lan' */
  readonly preset?: SwimPreset;
  /** Single settings that differ from the preset. */
  readonly protocol?: SwimOptions;
  /** What this node says about itself. */
  readonly metadata?: M;
  /** @default bytes as they are */
  readonly metadataCodec?: MetadataCodec<M>;
  /** Keys for AES-256-GCM. All nodes share them; packets that do not open are dropped. */
  readonly keyring?: Keyring;
  /** Says it in so many words, so that a keyring left out by mistake is an error. @default 'encrypted' with a keyring, 'none' without */
  readonly security?: 'none' | 'encrypted';
  /** Keeps the epoch, so that a restart counts as newer also when the clock was set back. @default none: the clock alone */
  readonly dataDirectory?: string;
  /** How long the seeds' source and each lookup of a name may take. @default 5_000 */
  readonly resolveTimeoutMs?: number;
  /** What the kernel keeps of datagrams while the process is busy; the system may grant less. @default 1_048_576 */
  readonly receiveBufferBytes?: number;
  /** How many changes a consumer of `changes` may be behind by. @default 1_024 */
  readonly changesBufferMax?: number;
  /** Ends the start; later, closes the node as `close` does. */
  readonly signal?: AbortSignal;
  /** @default the machine's resolver */
  readonly lookup?: Lookup;
  /** @default the machine's */
  readonly clock?: Clock;
}

/**
 * Binds the sockets and makes a node that is silent until `join`. Rejects with `invalid_options` or `invalid_argument`
 * naming what is wrong, `payload_too_large` for metadata, `address_in_use` naming the address; nothing stays bound then.
 */
export async function createSwim<M = Uint8Array>(options: CreateSwimOptions<M>): Promise<SwimNode<M>> {
  const { signal, lookup = machineLookup, clock = systemClock, resolveTimeoutMs = 5_000 } = options;
  signal?.throwIfAborted();
  for (const option of ['resolveTimeoutMs', 'receiveBufferBytes', 'changesBufferMax'] as const) checkCount(option, options[option]);
  const cluster = parseClusterId(options.cluster);
  const clusterId = options.clusterId === undefined ? undefined : parseClusterId(options.clusterId);
  const name = parseNodeId(options.name);
  const protocol = protocolOf(options);
  const resolved = resolveSwimOptions(protocol);
  const codec = options.metadataCodec ?? (bytesMetadata as MetadataCodec<never> as MetadataCodec<M>);
  const metadata = options.metadata === undefined ? new Uint8Array(0) : codec.encode(options.metadata);
  checkMetadata(metadata, resolved);
  checkSeeds(options.seeds ?? []);
  if (options.advertise !== undefined) parseEndpoint(options.advertise, 'advertise', 0);
  const bind = await literalOf(parseEndpoint(options.bind, 'bind'), lookup, resolveTimeoutMs, signal);

  const epochFile = options.dataDirectory === undefined ? undefined : new EpochFile(options.dataDirectory);
  const floor = Math.floor(wallClockMs() / 1_000);
  const epoch = epochFile ? await epochFile.next(floor) : floor;

  const guards = guardsOf(options.keyring, cluster);
  // The sockets are bound before there is a node, because the node has to know its port. Nothing is heard before it is there.
  let node: SwimNode<M> | undefined;
  const transports = await bindTransports({
    ...bind,
    receiveBufferBytes: options.receiveBufferBytes ?? 1_048_576,
    frameBytesMax: resolved.streamBytesMax,
    lifetimeMs: lifetimeMs(resolved),
    conversations: guards.conversations,
    onDatagram: (from, bytes) => node?.receiveDatagram(from, bytes),
    onFrame: (stream, from, bytes) => node?.receiveFrame(stream, from, bytes),
    onClosed: (stream, reason) => node?.streamClosed(stream, reason),
    onRejected: (reason, from) => node?.reject(reason, from),
  });
  try {
    signal?.throwIfAborted();
    const { udp, tcp } = transports;
    const address = advertisedAddress(options.advertise, { host: bind.host, port: udp.port });
    const reaches = (family: 4 | 6): boolean => udp.reaches(family);
    const seeds = new Seeds(options.seeds ?? [], { lookup, limitMs: resolveTimeoutMs, reaches, self: address, onChange: () => node?.seedsChanged() });
    const hosts = new HostBook({ lookup, limitMs: resolveTimeoutMs, clock, reaches });
    node = new SwimNode<M>({
      cluster, clusterId, name, address, epoch, metadata, codec, clock, udp, tcp, hosts, seeds, epochFile,
      options: protocol, random: systemRandom().fork('swim'), datagrams: guards.datagrams, changesBufferMax: options.changesBufferMax, signal,
    });
  } catch (error) {
    await closeAll(transports);
    throw error;
  }
  return node;
}

function protocolOf({ preset = 'lan', protocol = {}, keyring, security }: Pick<CreateSwimOptions, 'preset' | 'protocol' | 'keyring' | 'security'>): SwimOptions {
  if (!Object.hasOwn(swimPresets, preset)) throw new OptionsError('preset', `must be one of ${Object.keys(swimPresets).join(', ')}`);
  if (keyring !== undefined && !(keyring instanceof Keyring)) throw new OptionsError('keyring', 'must be a Keyring; write new Keyring(key)');
  if (security === 'encrypted' && !keyring) throw new OptionsError('keyring', "must be given with security: 'encrypted'");
  if (security === 'none' && keyring) throw new OptionsError('keyring', "must be left out with security: 'none'");
  return { ...swimPresets[preset], ...protocol, ...(keyring && { datagramOverheadBytes: sealOverheadBytes }) };
}

function checkCount(option: string, value: number | undefined): void {
  if (value !== undefined && (!Number.isSafeInteger(value) || value < 1)) throw new OptionsError(option, `must be a whole number from 1 on, not ${value}`);
}

function guardsOf(keyring: Keyring | undefined, cluster: ClusterId): { readonly datagrams: DatagramGuard; readonly conversations: Conversations } {
  if (!keyring) return { datagrams: plainDatagrams, conversations: plainConversations };
  const seal = new Seal(keyring, cluster);
  return { datagrams: sealedDatagrams(seal), conversations: sealedConversations(seal) };
}

/** A conversation that we do not end ourselves; whoever opened it gives up much sooner. */
function lifetimeMs({ streamTimeoutMs }: ResolvedSwimOptions): number {
  return 4 * streamTimeoutMs;
}

async function literalOf({ host, port }: Endpoint, lookup: Lookup, limitMs: number, signal: AbortSignal | undefined): Promise<Endpoint> {
  if (familyOf(host) !== 0) return { host, port };
  const [literal] = await lookupWithin(lookup, host, limitMs, signal);
  if (literal !== undefined) return { host: literal, port };
  throw new EngramError('invalid_argument', `bind names ${host}, which has no address`);
}

function advertisedAddress(advertise: string | undefined, bound: Endpoint): Address {
  if (advertise !== undefined) {
    const { host, port } = parseEndpoint(advertise, 'advertise', bound.port);
    if (isWildcard(host)) throw new EngramError('invalid_argument', `advertise must be an address that others can reach, not ${host}`);
    return addressOf(host, port === 0 ? bound.port : port);
  }
  return addressOf(isWildcard(bound.host) ? outwardHost(bound.host) : bound.host, bound.port);
}

/** The first address of this machine that is not internal to it, IPv4 before IPv6; its loopback when there is no other. */
function outwardHost(wildcard: string): string {
  const outward = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []).filter(({ internal, address }) => !internal && !address.startsWith('fe80'));
  const v4 = outward.find(({ family }) => family === 'IPv4')?.address ?? '127.0.0.1';
  const v6 = outward.find(({ family }) => family === 'IPv6')?.address;
  return wildcard === '0.0.0.0' || v4 !== '127.0.0.1' ? v4 : (v6 ?? v4);
}

async function closeAll({ udp, tcp }: Transports): Promise<void> {
  await Promise.all([udp.close(), tcp.close()]);
}
