import { randomBytes } from 'node:crypto';
import type { RemoteInfo } from 'node:dgram';
import { EngramError, isClusterId, isNodeId, OptionsError, shown, type Random } from '@engram/kernel';
import { systemClock, systemRandom, wallClockMs } from '@engram/kernel/node';
import { familyOf, Neighbours, parseEndpoint, readEndpoint, spelled, type Endpoint } from '../core/index.js';
import type { DiscoverySource, SelfRegistration, SourceAnswer, SourceCallOptions } from '../source.js';
import { decodeFrame, encodeFrame, frameBytesMax, type MulticastFrame } from './multicast-frame.js';
import { interfacesFor, MulticastSockets, ownHosts } from './multicast-sockets.js';
import { pause } from './pause.js';
import { checkWhole, type SourceTiming } from './source-options.js';

/** The group, and how to speak on it. */
export interface MulticastSourceOptions extends SourceTiming {
  /** Only nodes of a cluster of this name are found. */
  readonly cluster: string;
  /** Multicast address and port, IPv4 or IPv6; the same on all nodes. @default '239.255.42.99:7947' */
  readonly group?: string;
  /** Name or address of the one interface to use. @default all of this machine, its loopback included */
  readonly interface?: string;
  /** How many routers an announcement passes: 1 stays on the network, 0 on the machine. @default 1 */
  readonly ttl?: number;
  /** How often a registered node announces itself; who misses three is forgotten. @default 5_000 */
  readonly announceMs?: number;
  /** Nodes remembered. @default 1_024 */
  readonly nodesMax?: number;
  /** @default a stream from the system's entropy */
  readonly random?: Random;
}

/** Frames heard since the start: announcements that were taken, and what was not used. */
export interface MulticastCounters {
  readonly announcements: number;
  readonly malformed: number;
  readonly otherVersion: number;
  readonly otherCluster: number;
  /** Loopback addresses announced by another machine, and wildcards. */
  readonly unreachable: number;
  /** Another node that uses our id. */
  readonly sameNodeId: number;
  /** Nodes there was no room for. */
  readonly noRoom: number;
}

/** A source that also tells what it heard on its group. */
export interface MulticastSource extends DiscoverySource {
  /** What was heard and not used, and how much was. */
  counters(): MulticastCounters;
}

/** Answers to questions are spread over this time, so that a hundred nodes do not all speak at once. */
const answerSpreadMs = 100;
/** One answer serves everybody who asked; more are not given within this time, however many ask. */
const answerEveryMs = 250;
const emitEveryMs = 20;
/** Nobody makes us remember it for longer, or hear of it more often, than these intervals. */
const announceMsMin = 50;
const announceMsMax = 60_000;

/**
 * Nodes that announce themselves on one multicast group: for laptops and for sites without DNS, within one network. What is
 * heard is a hint that anybody on the network may have sent; the membership decides whom it lets in.
 *
 * Throws `invalid_options` or `invalid_argument` naming the option.
 */
export function multicastSource(options: MulticastSourceOptions): MulticastSource {
  return new Multicast(options);
}

class Multicast implements MulticastSource {
  readonly name: string;
  readonly refreshMs: number;
  readonly timeoutMs: number;
  readonly #cluster: string;
  readonly #group: Endpoint;
  readonly #family: 4 | 6;
  readonly #interface: string | undefined;
  readonly #ttl: number;
  readonly #announceMs: number;
  readonly #random: Random;
  readonly #neighbours: Neighbours;
  /** Tells our own questions, which come back to us, from those of others. */
  readonly #tag = randomBytes(6).toString('hex');
  readonly #startedAtMs = wallClockMs();
  readonly #counters = { announcements: 0, malformed: 0, otherVersion: 0, otherCluster: 0, unreachable: 0, sameNodeId: 0 };
  #sequence = 0;
  #self: SelfRegistration | undefined;
  #sockets: { readonly interfaces: string; readonly hosts: ReadonlySet<string>; readonly opened: Promise<MulticastSockets> } | undefined;
  #isClosed = false;
  #emit: (() => void) | undefined;
  #fail: ((error: Error) => void) | undefined;
  #announceTimer: NodeJS.Timeout | undefined;
  #answerTimer: NodeJS.Timeout | undefined;
  #forgetTimer: NodeJS.Timeout | undefined;
  #emitTimer: NodeJS.Timeout | undefined;
  #answeredAtMs = -Infinity;

  constructor(options: MulticastSourceOptions) {
    const { name = 'multicast', refreshMs = 30_000, timeoutMs = 2_000, cluster, group = '239.255.42.99:7947', ttl = 1, announceMs = 5_000, nodesMax = 1_024 } = options;
    if (!isClusterId(cluster)) throw new OptionsError('cluster', `must be the name of the cluster; got ${shown(cluster)}`);
    this.#group = parseEndpoint(group, 'group', 7_947);
    this.#family = familyOf(this.#group.host) === 6 ? 6 : 4;
    if (!isMulticast(this.#group.host)) throw new OptionsError('group', `must be a multicast address, 224.0.0.0 to 239.255.255.255 or ff00::/8; got ${shown(group)}`);
    checkWhole('timeoutMs', timeoutMs, 10, 600_000);
    checkWhole('ttl', ttl, 0, 255);
    checkWhole('announceMs', announceMs, announceMsMin, announceMsMax);
    checkWhole('nodesMax', nodesMax, 1, 65_536);
    // A misspelled interface is a mistake to hear of now; one that goes away later is not.
    if (options.interface !== undefined) interfacesFor(options.interface, this.#family);
    this.#interface = options.interface;
    this.#ttl = ttl;
    this.#announceMs = announceMs;
    this.#random = (options.random ?? systemRandom()).fork('multicast');
    this.#neighbours = new Neighbours(nodesMax);
    this.#cluster = cluster;
    this.name = name;
    this.refreshMs = refreshMs;
    this.timeoutMs = timeoutMs;
  }

  /** Asks who is there, and waits a moment for answers. */
  async lookUp({ signal }: SourceCallOptions): Promise<SourceAnswer> {
    signal.throwIfAborted();
    const waitMs = Math.min(2.5 * answerSpreadMs, this.timeoutMs / 3);
    const query: MulticastFrame = { kind: 'query', cluster: this.#cluster, from: this.#tag };
    // Twice, as a datagram may be lost.
    for (let times = 0; times < 2 && !signal.aborted; times++) {
      await this.#send(query);
      await pause(waitMs, signal);
    }
    signal.throwIfAborted();
    return this.#answer();
  }

  async watch(emit: (answer: SourceAnswer) => void, { signal }: SourceCallOptions): Promise<void> {
    signal.throwIfAborted();
    await this.#open();
    await new Promise<void>((resolve, reject) => {
      const onAbort = (): void => settle(resolve);
      const settle = (how: () => void): void => {
        this.#emit = undefined;
        this.#fail = undefined;
        signal.removeEventListener('abort', onAbort);
        how();
      };
      this.#emit = () => emit(this.#answer());
      this.#fail = (error) => settle(() => reject(this.#refusal('hearing', error)));
      signal.addEventListener('abort', onAbort, { once: true });
      // Nobody heard yet is no answer: the look-up asks, and waits for those who are there.
      if (this.#neighbours.endpoints().length > 0) emit(this.#answer());
    });
  }

  async register(self: SelfRegistration, { signal }: SourceCallOptions): Promise<void> {
    signal.throwIfAborted();
    const { host } = parseEndpoint(self.swim, 'swim');
    if (host === '0.0.0.0' || host === '::') throw new EngramError('discovery_failed', `${this.name}: ${self.swim} is no address that others can reach`, { hint: 'Advertise an address of this machine.' });
    if (!isNodeId(self.nodeId)) throw new EngramError('discovery_failed', `${this.name}: ${shown(self.nodeId)} is no node id`, { hint: 'Use letters, digits, ".", "_" and "-".' });
    this.#self = self;
    const bytes = encodeFrame(this.#announcement(self)).length;
    if (bytes > frameBytesMax) {
      this.#self = undefined;
      throw new EngramError('discovery_failed', `${this.name}: the announcement of ${self.nodeId} takes ${bytes} bytes, more than ${frameBytesMax}`, { hint: 'Shorten the node id, the name of the cluster or the advertised address.' });
    }
    await this.#announce();
    this.#announceLater();
  }

  async deregister(): Promise<void> {
    const self = this.#self;
    this.#self = undefined;
    clearTimeout(this.#announceTimer);
    clearTimeout(this.#answerTimer);
    this.#answerTimer = undefined;
    // Twice, as a datagram may be lost; and if both are, the node is forgotten after three intervals.
    if (self) for (let times = 0; times < 2; times++) await this.#send({ kind: 'leave', cluster: this.#cluster, nodeId: self.nodeId, startedAtMs: this.#startedAtMs, sequence: ++this.#sequence });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#self = undefined;
    for (const timer of [this.#announceTimer, this.#answerTimer, this.#forgetTimer, this.#emitTimer]) clearTimeout(timer);
    this.#fail?.(new Error('the source was closed'));
    await this.#closeSockets();
  }

  counters(): MulticastCounters {
    return { ...this.#counters, noRoom: this.#neighbours.refused };
  }

  #answer(): SourceAnswer {
    this.#forget();
    const { malformed, otherVersion, otherCluster, unreachable, sameNodeId, noRoom } = this.counters();
    const notes = Object.entries({ 'malformed frames': malformed, 'frames of another version': otherVersion, 'frames of other clusters': otherCluster, 'unreachable addresses': unreachable, 'frames of another node with our id': sameNodeId, 'frames of nodes there was no room for': noRoom });
    return { endpoints: this.#neighbours.endpoints(), notes: notes.filter(([, count]) => count > 0).map(([what, count]) => `${count} ${what} heard`) };
  }

  #announcement(self: SelfRegistration): MulticastFrame {
    const endpoint = spelled(parseEndpoint(self.swim, 'swim'));
    const { nodeId, clusterId } = self;
    return { kind: 'announce', cluster: this.#cluster, nodeId, startedAtMs: this.#startedAtMs, sequence: ++this.#sequence, endpoint, everyMs: this.#announceMs, ...(clusterId !== undefined && { clusterId }) };
  }

  async #announce(): Promise<void> {
    if (this.#self) await this.#send(this.#announcement(this.#self));
  }

  /** A little earlier than the interval says, by chance, so that nodes do not fall into step. */
  #announceLater(): void {
    clearTimeout(this.#announceTimer);
    if (!this.#self) return;
    const again = (): void => {
      // What cannot be said now is said next time; the look-up reports what is wrong.
      void this.#announce().catch(() => undefined).then(() => this.#announceLater());
    };
    this.#announceTimer = setTimeout(again, this.#announceMs * (0.8 + 0.2 * this.#random.float())).unref();
  }

  /** Whoever asked is answered after a random moment. All who ask within it are served by one answer, and so is a flood. */
  #answerSoon(): void {
    if (!this.#self || this.#answerTimer) return;
    const notBeforeMs = this.#answeredAtMs + answerEveryMs - performance.now();
    const answer = (): void => {
      this.#answerTimer = undefined;
      this.#answeredAtMs = performance.now();
      void this.#announce().catch(() => undefined);
    };
    this.#answerTimer = setTimeout(answer, Math.max(notBeforeMs, answerSpreadMs * this.#random.float())).unref();
  }

  async #send(frame: MulticastFrame): Promise<void> {
    const sockets = await this.#open();
    try {
      await sockets.send(encodeFrame(frame));
    } catch (error) {
      await this.#closeSockets();
      throw this.#refusal('speaking to', error);
    }
  }

  /** The sockets there are, or new ones; other ones when the interfaces of the machine have changed. */
  async #open(): Promise<MulticastSockets> {
    try {
      if (this.#isClosed) throw new Error('the source was closed');
      const interfaces = interfacesFor(this.#interface, this.#family);
      if (this.#sockets && this.#sockets.interfaces !== interfaces.join()) await this.#closeSockets();
      this.#sockets ??= {
        interfaces: interfaces.join(),
        hosts: ownHosts(),
        opened: MulticastSockets.open({ group: this.#group, family: this.#family, interfaces, ttl: this.#ttl, onMessage: (bytes, from) => this.#hear(bytes, from), onBroken: (error) => void this.#broken(error) }),
      };
    } catch (error) {
      throw this.#refusal('joining', error);
    }
    const sockets = this.#sockets;
    try {
      return await sockets.opened;
    } catch (error) {
      // Others may have opened new ones while we waited.
      if (this.#sockets === sockets) this.#sockets = undefined;
      throw this.#refusal('joining', error);
    }
  }

  async #closeSockets(): Promise<void> {
    const sockets = this.#sockets;
    this.#sockets = undefined;
    await sockets?.opened.then((opened) => opened.close()).catch(() => undefined);
  }

  async #broken(error: Error): Promise<void> {
    await this.#closeSockets();
    this.#fail?.(error);
  }

  #hear(bytes: Buffer, from: RemoteInfo): void {
    const frame = decodeFrame(bytes);
    if (frame === 'malformed') return void this.#counters.malformed++;
    if (frame === 'other-version') return void this.#counters.otherVersion++;
    if (frame.cluster !== this.#cluster) return void this.#counters.otherCluster++;
    switch (frame.kind) {
      case 'query':    return frame.from === this.#tag ? undefined : this.#answerSoon();
      case 'announce': return this.#hearAnnouncement(frame, from);
      case 'leave':    return this.#neighbours.left(frame) ? this.#emitSoon() : undefined;
    }
  }

  #hearAnnouncement(frame: Extract<MulticastFrame, { kind: 'announce' }>, from: RemoteInfo): void {
    const self = this.#self;
    if (self && frame.nodeId === self.nodeId) {
      if (frame.startedAtMs !== this.#startedAtMs || frame.endpoint !== spelled(parseEndpoint(self.swim, 'swim'))) this.#counters.sameNodeId++;
      return;
    }
    // Both have an identity, and it is not the same: two clusters that happen to be called alike.
    if (self?.clusterId !== undefined && frame.clusterId !== undefined && frame.clusterId !== self.clusterId) return void this.#counters.otherCluster++;
    if (!isReachable(frame.endpoint, this.#sockets?.hosts.has(from.address.split('%', 1)[0] ?? '') ?? false)) return void this.#counters.unreachable++;
    this.#counters.announcements++;
    const everyMs = Math.min(Math.max(frame.everyMs, announceMsMin), announceMsMax);
    if (this.#neighbours.announced({ ...frame, everyMs }, systemClock.now())) this.#emitSoon();
    this.#forgetLater();
  }

  /** Changes that come together are told together, and a flood of them costs no more than a few. */
  #emitSoon(): void {
    const emit = (): void => {
      this.#emitTimer = undefined;
      this.#emit?.();
    };
    this.#emitTimer ??= setTimeout(emit, emitEveryMs).unref();
  }

  #forget(): boolean {
    return this.#neighbours.forget(systemClock.now());
  }

  #forgetLater(): void {
    const next = this.#neighbours.nextForget();
    if (this.#forgetTimer || next === undefined) return;
    const forget = (): void => {
      this.#forgetTimer = undefined;
      if (this.#forget()) this.#emitSoon();
      this.#forgetLater();
    };
    this.#forgetTimer = setTimeout(forget, Math.max(1, Math.ceil((next - systemClock.now()) / 1_000))).unref();
  }

  #refusal(doing: string, error: unknown): EngramError {
    if (error instanceof EngramError && error.code === 'discovery_failed') return error;
    const why = error instanceof Error ? error.message : String(error);
    return new EngramError('discovery_failed', `${this.name}: ${doing} the group ${spelled(this.#group)}: ${why}`, {
      hint: 'Check that the network carries multicast, which clouds and most container networks do not, or name the interface to use.',
      cause: error,
    });
  }
}

function isMulticast(host: string): boolean {
  return familyOf(host) === 6 ? host.startsWith('ff') : /^2(?:2[4-9]|3\d)\./.test(host);
}

/** Our own loopback is no address of another machine, and a wildcard is none of any. */
function isReachable(endpoint: string, isSameMachine: boolean): boolean {
  const host = readEndpoint(endpoint)?.host ?? '';
  if (host === '0.0.0.0' || host === '::') return false;
  return isSameMachine || !(host === '::1' || host === 'localhost' || (familyOf(host) === 4 && host.startsWith('127.')));
}
