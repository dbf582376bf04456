import { Driver, EngramError, parseNodeId, unreachable, type Clock, type ClusterId, type NodeId, type Random } from '@engram/kernel';
import { SwimCore, type Address, type FailedContact, type MemberChange as CoreMemberChange, type Namesake, type ProbeOutcome, type RequestId, type StreamId, type SwimEffect, type SwimEvent, type SwimOptions } from '../core/index.js';
import { ChangeFeed } from './change-feed.js';
import type { DatagramGuard } from './datagram-guard.js';
import type { EpochFile } from './epoch-file.js';
import { EventLoopStalls } from './event-loop-stalls.js';
import { Histogram } from './histogram.js';
import type { HostBook } from './host-book.js';
import { MemberViews, type MetadataCodec, type SwimMember, type SwimMembers } from './member-view.js';
import { callApart, Outbox } from './outbox.js';
import { RejectionLog, type RejectionReason } from './rejection-log.js';
import type { FailedSeed, ResolvedSeeds, Seeds } from './seeds.js';
import type { Change, MemberChange, MemberChangeType, MessageEvent, SwimEvents, SwimEventType } from './swim-events.js';
import { rttBoundsSeconds, swimMetrics, type SwimMetrics } from './swim-metrics.js';
import type { TcpTransport } from './tcp-transport.js';
import type { UdpTransport } from './udp-transport.js';

/** What `createSwim` puts together. */
export interface SwimParts<M> {
  readonly cluster: ClusterId;
  readonly clusterId: string | undefined;
  readonly name: NodeId;
  readonly address: Address;
  readonly epoch: number;
  readonly metadata: Uint8Array;
  readonly codec: MetadataCodec<M>;
  readonly options: SwimOptions;
  readonly random: Random;
  readonly clock: Clock;
  readonly udp: UdpTransport;
  readonly tcp: TcpTransport;
  readonly datagrams: DatagramGuard;
  readonly hosts: HostBook;
  readonly seeds: Seeds;
  readonly epochFile: EpochFile | undefined;
  readonly changesBufferMax: number | undefined;
  /** Closes the node. */
  readonly signal: AbortSignal | undefined;
}

/** For every method that waits. */
export interface Waiting {
  /** Ends the waiting, with the signal's reason; what was begun goes on. */
  readonly signal?: AbortSignal;
}

/** How the seeds answered. */
export interface Joined {
  /** Seeds that answered, as addresses. */
  readonly contacted: readonly Address[];
  /** Seeds that could not be resolved or did not answer, with the reason. They are tried again for ever. */
  readonly failed: readonly FailedSeed[];
}

/** Bytes, or text that is sent as UTF-8. */
export type Payload = Uint8Array | string;

interface Request {
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

/** Frames for members whose name is being looked up. */
const openingMax = 64;

/**
 * One member of a cluster, in this process. Made by `createSwim`.
 *
 * Every method that waits rejects with an EngramError, or with the reason of the signal it was given; after `close` that
 * is `shutting_down`. Nothing here throws for what comes over the network.
 */
export class SwimNode<M = Uint8Array> implements AsyncDisposable {
  readonly cluster: ClusterId;
  readonly name: NodeId;
  /** Where others reach this node. */
  readonly address: Address;
  /** The port that is bound, for UDP and TCP. */
  readonly port: number;
  readonly #parts: SwimParts<M>;
  readonly #core: SwimCore;
  readonly #driver: Driver<SwimEvent, SwimEffect>;
  readonly #stalls: EventLoopStalls;
  readonly #views: MemberViews<M>;
  readonly #outbox: Outbox<SwimEvents<M>>;
  readonly #listeners = new Map<SwimEventType, Set<(event: never) => void>>();
  readonly #feeds = new Set<ChangeFeed<Change<M>>>();
  readonly #requests = new Map<RequestId, Request>();
  readonly #opening = new Set<StreamId>();
  readonly #rejections: RejectionLog;
  readonly #rejected = new Map<string, number>();
  readonly #probes: Record<ProbeOutcome, number> = { acked: 0, 'acked-by-relay': 0, 'acked-by-stream': 0, failed: 0 };
  readonly #rttSeconds = new Histogram(rttBoundsSeconds);
  #nextRequest: RequestId = 1;
  #isolated = false;
  #resyncs = 0;
  #seedRetry: NodeJS.Timeout | undefined;
  #isResolving = false;
  #isResolvingAgain = false;
  #leaving: Promise<{ readonly confirmed: number }> | undefined;
  #closing: Promise<void> | undefined;
  readonly #onAbort = (): void => void this.close();

  /** For `createSwim`. */
  constructor(parts: SwimParts<M>) {
    const { cluster, clusterId, name, address, epoch, metadata, options, random, udp, tcp } = parts;
    this.#parts = parts;
    this.cluster = cluster;
    this.name = name;
    this.address = address;
    this.port = udp.port;
    this.#views = new MemberViews(parts.codec);
    this.#outbox = new Outbox((type, event) => this.#deliver(type, event), () => this.#endFeedsWhenClosed());
    this.#rejections = new RejectionLog(parts.clock, (event) => this.#outbox.put('rejected', event));
    this.#core = new SwimCore({ cluster, ...(clusterId !== undefined && { clusterId }), id: name, address, epoch, metadata }, random, options);
    this.#stalls = new EventLoopStalls(parts.clock, {
      stallMs: this.#core.options.stallMs,
      received: () => udp.received + tcp.received,
      onStalled: (ms) => this.#dispatch({ kind: 'loop-stalled', ms }),
      onDrained: () => this.#dispatch({ kind: 'inbound-drained' }),
    });
    parts.signal?.addEventListener('abort', this.#onAbort, { once: true });
    this.#driver = new Driver(this.#core, catching(this.#stalls.clock, (error) => this.#fail(error)), (effect) => this.#perform(effect));
  }

  /** All members that this node knows of. The same object until something changes. */
  get members(): SwimMembers<M> {
    return this.#views.view(this.#core.view());
  }

  /**
   * The id of the cluster that was formed under its name; undefined while this node knows none. Members of a cluster of the
   * same name and another id are turned away like any other stranger.
   */
  get clusterId(): string | undefined {
    return this.#core.clusterId;
  }

  /** This node as it is in its own view. */
  get self(): SwimMember<M> {
    return this.#views.member(this.#core.self());
  }

  /**
   * Asks the seeds, without taking part, whether another process answers under the name of this node: the one that starts
   * later would take the name over when it joins. Resolves with where it answers; with nothing when nobody does, or none of
   * the seeds could be asked. A process that died is not found, also while the others hold it for alive. At most
   * `streamTimeoutMs` twice, and shorter once a seed has answered. Rejects with `not_ready` once the node has joined.
   */
  async findNamesake({ signal }: Waiting = {}): Promise<Namesake | undefined> {
    this.#checkOpen(signal);
    await this.#resolveSeeds(signal);
    return this.#request<Namesake | undefined>((request) => ({ kind: 'inquire', request }), signal);
  }

  /**
   * Starts taking part, and contacts the seeds. Resolves when each of them has answered or not; without seeds, at once.
   * Rejects with `unavailable` when there were seeds and none answered: the node takes part all the same and goes on
   * trying, so a caller that may be the first of its cluster can carry on. Legal again after `leave`.
   */
  async join({ signal }: Waiting = {}): Promise<Joined> {
    this.#checkOpen(signal);
    const resolved = await this.#resolveSeeds(signal);
    const { contacted, failed } = await this.#request<Pick<Joined, 'contacted'> & { failed: readonly FailedContact[] }>((request) => ({ kind: 'join', request }), signal);
    const allFailed = [...resolved.failed, ...failed.map(({ address, reason }) => ({ seed: address, reason }))];
    if (contacted.length > 0 || allFailed.length === 0 || this.members.reachable.length > 1) return { contacted, failed: allFailed };
    throw new EngramError('unavailable', `${this.name} joined ${this.cluster} alone, because no seed answered: ${allFailed.map(({ seed, reason }) => `${seed} (${reason})`).join(', ')}`, {
      hint: 'The node takes part and goes on trying. Check the seeds, and that cluster name and keys are those of the nodes there; carry on when this is the first node of its cluster.',
      details: { failed: allFailed },
    });
  }

  /** Says goodbye and waits until a few others know, or for leaveTimeoutMs. Resolves with how many confirmed it. */
  async leave({ signal }: Waiting = {}): Promise<{ readonly confirmed: number }> {
    this.#checkOpen(signal);
    this.#stopSeedRetry();
    this.#leaving ??= this.#request<{ readonly confirmed: number }>((request) => ({ kind: 'leave', request }), undefined).finally(() => (this.#leaving = undefined));
    return abortable(this.#leaving, signal);
  }

  /** Stops without a word, as a crash would; others find out by themselves. The port is free when this resolves. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Leaves, then closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    const isTakingPart = this.#core.phase === 'joined' || this.#core.phase === 'leaving';
    if (!this.#closing && isTakingPart) await this.leave().catch(() => undefined);
    await this.close();
  }

  /**
   * Every change of a member from this call on, each after it happened and in the order of the view. Whoever falls more
   * than a thousand changes behind gets one `resync` with the whole view instead of those it missed. Ends with the
   * signal, with `close`, and when the loop is left.
   */
  changes({ signal }: Waiting = {}): AsyncIterableIterator<Change<M>> {
    const feed: ChangeFeed<Change<M>> = new ChangeFeed<Change<M>>(this.#core.view().version, () => this.#resync(), () => {
      this.#feeds.delete(feed);
      signal?.removeEventListener('abort', end);
    }, this.#parts.changesBufferMax);
    const end = (): void => feed.end();
    this.#feeds.add(feed);
    if (signal?.aborted || this.#closing) feed.end();
    else signal?.addEventListener('abort', end, { once: true });
    return feed;
  }

  /** Calls `listener` with each event of this type. Returns what stops it. Listeners may call anything on the node. */
  on<T extends SwimEventType>(type: T, listener: (event: SwimEvents<M>[T]) => void): () => void {
    const listeners = this.#listeners.get(type) ?? new Set();
    this.#listeners.set(type, listeners);
    // Listening twice is two listeners, each with an end of its own.
    const own = (event: never): void => listener(event);
    listeners.add(own);
    return () => void listeners.delete(own);
  }

  /** The same as `on('message', listener)`. */
  onMessage(listener: (message: MessageEvent) => void): () => void {
    return this.on('message', listener);
  }

  /** Tells everybody what this node says about itself. Rejects with `payload_too_large` beyond metadataBytesMax. */
  async setMetadata(metadata: M, { signal }: Waiting = {}): Promise<void> {
    this.#checkOpen(signal);
    const bytes = this.#parts.codec.encode(metadata);
    return this.#request((request) => ({ kind: 'set-metadata', request, bytes }), signal);
  }

  /**
   * Says that the cluster is formed, or what its id was found to be; the others hear of it from here. It is legal before
   * `join`. Rejects with `id_conflict` when another id is known already, and changes nothing then.
   */
  async setClusterId(clusterId: string, { signal }: Waiting = {}): Promise<void> {
    this.#checkOpen(signal);
    return this.#request((request) => ({ kind: 'set-cluster-id', request, clusterId }), signal);
  }

  /**
   * To every other member, each most probably once and never twice. Resolves when it is on its way. Rejects with
   * `payload_too_large` beyond broadcastBytesMax, `overloaded` when too many are on their way already.
   */
  async broadcast(topic: string, payload: Payload, { signal }: Waiting = {}): Promise<void> {
    this.#checkOpen(signal);
    return this.#request((request) => ({ kind: 'broadcast', request, topic, bytes: bytesOf(payload) }), signal);
  }

  /**
   * To one member: over a stream, resolving when the other side has it, or with `reliable: false` in one datagram,
   * resolving when it is sent. Rejects with `unavailable` when the member is not there or did not confirm.
   */
  async send(to: string, payload: Payload, { signal, reliable = true }: Waiting & { readonly reliable?: boolean } = {}): Promise<void> {
    this.#checkOpen(signal);
    const id = parseNodeId(to);
    return this.#request((request) => ({ kind: 'send-message', request, to: id, bytes: bytesOf(payload), reliable }), signal);
  }

  /** Removes a dead member from the view of this node. Rejects with `invalid_argument` while it is alive. */
  async forget(name: string, { signal }: Waiting = {}): Promise<void> {
    this.#checkOpen(signal);
    const id = parseNodeId(name);
    return this.#request((request) => ({ kind: 'forget', request, id }), signal);
  }

  /** What happened so far and how things stand, a snapshot. */
  metrics(): SwimMetrics {
    return swimMetrics(this.#core.stats(), {
      viewVersion: this.#core.view().version,
      isolated: this.#isolated,
      probes: { ...this.#probes },
      rttSeconds: this.#rttSeconds.snapshot(),
      datagrams: this.#parts.udp.counters(),
      streams: this.#parts.tcp.counters(),
      rejected: this.#rejected,
      resyncs: this.#resyncs,
    });
  }

  /** For the transport: a datagram arrived. */
  receiveDatagram(from: Address, bytes: Uint8Array): void {
    const opened = this.#parts.datagrams.open(bytes);
    if (opened.kind === 'rejected') return this.reject(opened.reason, from);
    this.#stalls.beforeInput();
    this.#dispatch({ kind: 'datagram-received', from: this.#parts.hosts.spelling(from), bytes: opened.bytes });
  }

  /** For the transport: a frame arrived. */
  receiveFrame(stream: StreamId, from: Address, bytes: Uint8Array): void {
    this.#stalls.beforeInput();
    this.#dispatch({ kind: 'stream-received', stream, from, bytes });
  }

  /** For the transport: a stream is over, and not because the core closed it. */
  streamClosed(stream: StreamId, reason: string): void {
    this.#dispatch({ kind: 'stream-closed', stream, reason });
  }

  /** For the transport: input was dropped before it reached the core. */
  reject(reason: RejectionReason, from: Address): void {
    this.#rejected.set(reason, (this.#rejected.get(reason) ?? 0) + 1);
    this.#rejections.add(reason, from);
  }

  /** For the seeds: their source has a new set. */
  seedsChanged(): void {
    // A source that is slow to answer is not asked by several at one time.
    this.#isResolvingAgain = this.#isResolving;
    if (this.#isResolving) return;
    this.#isResolving = true;
    void this.#resolveSeeds().finally(() => {
      this.#isResolving = false;
      if (this.#isResolvingAgain && !this.#closing) this.seedsChanged();
    });
  }

  #perform(effect: SwimEffect): void {
    switch (effect.kind) {
      case 'send-datagram':      return this.#sendDatagram(effect.to, effect.bytes);
      case 'open-stream':        return this.#openStream(effect.stream, effect.to, effect.bytes);
      case 'send-stream':        return this.#parts.tcp.send(effect.stream, effect.bytes);
      case 'close-stream':       return this.#closeStream(effect.stream);
      case 'resolve-seeds':      return this.seedsChanged();
      case 'persist-epoch':      return this.#persistEpoch(effect.epoch);
      case 'cluster-id-learned': return this.#outbox.put('cluster-id', { clusterId: effect.clusterId });
      case 'isolated':
      case 'rejoined':           return this.#setIsolated(effect.kind);
      case 'refuted':            return this.#outbox.put('refuted', { incarnation: effect.incarnation, by: effect.by });
      case 'superseded':         return this.#outbox.put('superseded', { epoch: effect.epoch, address: effect.address });
      case 'health-changed':     return this.#outbox.put('health', { score: effect.score });
      case 'broadcast-received': return this.#outbox.put('broadcast', { from: effect.from, topic: effect.topic, bytes: effect.bytes });
      case 'message-received':   return this.#outbox.put('message', { from: effect.from, bytes: effect.bytes, reliable: effect.reliable });
      case 'probe-finished':     return this.#countProbe(effect.outcome, effect.rttMs);
      case 'rejected':           return this.#rejections.add(effect.reason, effect.from);
      case 'join-finished':      return this.#settle(effect.request)?.resolve({ contacted: effect.contacted, failed: effect.failed } as never);
      case 'inquiry-finished':   return this.#settle(effect.request)?.resolve(effect.namesake as never);
      case 'leave-finished':     return this.#settle(effect.request)?.resolve({ confirmed: effect.confirmed } as never);
      case 'request-completed':  return this.#settle(effect.request)?.resolve(undefined as never);
      case 'request-refused':    return this.#settle(effect.request)?.reject(new EngramError(effect.code, effect.message));
      case 'member-joined': case 'member-restarted': case 'member-suspect': case 'member-recovered':
      case 'member-dead': case 'member-left': case 'member-updated': case 'member-forgotten':
        return this.#memberChanged(effect);
      default:                   return unreachable(effect);
    }
  }

  #memberChanged({ kind, member, version }: CoreMemberChange): void {
    const type = kind.slice('member-'.length) as MemberChangeType;
    this.#outbox.put('change', { type, member: this.#views.member(member), version });
  }

  #deliver<T extends SwimEventType>(type: T, event: SwimEvents<M>[T]): void {
    // A change reaches those who asked for its type, those who asked for any, and those who iterate.
    if (type === 'change') this.#tell((event as MemberChange<M>).type, event);
    this.#tell(type, event);
    if (type === 'change') for (const feed of this.#feeds) feed.push(event as MemberChange<M>);
  }

  #tell(type: SwimEventType, event: unknown): void {
    for (const listener of [...(this.#listeners.get(type) ?? [])]) callApart(listener, event as never);
  }

  #resync(): Change<M> {
    this.#resyncs += 1;
    const { members } = this;
    return { type: 'resync', member: this.self, members, version: members.version };
  }

  #sendDatagram(to: Address, bytes: Uint8Array): void {
    const endpoint = this.#parts.hosts.now(to);
    if (endpoint) this.#parts.udp.send(endpoint.host, endpoint.port, this.#parts.datagrams.seal(bytes));
    else this.#parts.udp.countUnresolved();
  }

  #openStream(stream: StreamId, to: Address, bytes: Uint8Array): void {
    const { hosts, tcp } = this.#parts;
    const known = hosts.now(to);
    if (known) return tcp.open(stream, to, known.host, known.port, bytes);
    if (this.#opening.size >= openingMax) return this.streamClosed(stream, 'too many names are being looked up');
    this.#opening.add(stream);
    void hosts.soon(to).then((endpoint) => {
      // The core may have closed it meanwhile.
      if (!this.#opening.delete(stream)) return;
      if (endpoint) tcp.open(stream, to, endpoint.host, endpoint.port, bytes);
      else this.streamClosed(stream, `${to} cannot be resolved`);
    });
  }

  #closeStream(stream: StreamId): void {
    if (!this.#opening.delete(stream)) this.#parts.tcp.end(stream);
  }

  #setIsolated(kind: 'isolated' | 'rejoined'): void {
    this.#isolated = kind === 'isolated';
    this.#outbox.put(kind, {});
  }

  #countProbe(outcome: ProbeOutcome, rttMs: number): void {
    this.#probes[outcome] += 1;
    if (outcome === 'acked') this.#rttSeconds.observe(rttMs / 1_000);
  }

  #persistEpoch(epoch: number): void {
    this.#parts.epochFile?.raise(epoch).catch((error: unknown) => this.#outbox.put('epoch-not-kept', { epoch, error }));
  }

  /** Tells the core what the seeds stand for now. Those that came to nothing are tried again after a while. */
  async #resolveSeeds(signal?: AbortSignal): Promise<ResolvedSeeds> {
    const resolved = await this.#parts.seeds.resolve(signal);
    if (this.#closing) return resolved;
    this.#dispatch({ kind: 'seeds-resolved', addresses: resolved.addresses });
    for (const failure of resolved.failed) this.#outbox.put('seed-failed', failure);
    this.#stopSeedRetry();
    // The core asks for seeds again only when it knows of some that do not answer.
    if (resolved.failed.length > 0) this.#seedRetry = setTimeout(() => this.seedsChanged(), this.#core.options.contactMs);
    return resolved;
  }

  #stopSeedRetry(): void {
    clearTimeout(this.#seedRetry);
    this.#seedRetry = undefined;
  }

  #checkOpen(signal: AbortSignal | undefined): void {
    signal?.throwIfAborted();
    if (this.#closing) throw closedError(this.name);
  }

  /** The core answers every request, or the node is closed. */
  #request<T>(eventOf: (request: RequestId) => SwimEvent, signal: AbortSignal | undefined): Promise<T> {
    this.#checkOpen(signal);
    const answer = new Promise<T>((resolve, reject) => {
      const request = this.#nextRequest++;
      this.#requests.set(request, { resolve, reject });
      this.#dispatch(eventOf(request));
    });
    return abortable(answer, signal);
  }

  #settle(id: RequestId): Request | undefined {
    const request = this.#requests.get(id);
    this.#requests.delete(id);
    return request;
  }

  /** A core that breaks one of its own rules is not run any further: everybody who waits hears, and the port is freed. */
  #dispatch(event: SwimEvent): void {
    try {
      this.#driver.dispatch(event);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const failure = error instanceof Error ? error : new Error(String(error));
    void this.close();
    if (this.#listeners.get('failed')?.size) return this.#outbox.put('failed', { error: failure });
    queueMicrotask(() => {
      throw failure;
    });
  }

  async #close(): Promise<void> {
    this.#parts.signal?.removeEventListener('abort', this.#onAbort);
    this.#driver.stop();
    this.#stalls.stop();
    this.#stopSeedRetry();
    this.#parts.seeds.stop();
    this.#opening.clear();
    for (const id of [...this.#requests.keys()]) this.#settle(id)?.reject(closedError(this.name));
    if (this.#outbox.isEmpty) for (const feed of this.#feeds) feed.end();
    await Promise.all([this.#parts.udp.close(), this.#parts.tcp.close()]);
  }

  /** What had happened before the node was closed is still delivered. */
  #endFeedsWhenClosed(): void {
    if (this.#closing) for (const feed of this.#feeds) feed.end();
  }
}

/** The same, unless the signal comes first. */
function abortable<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

/** Wakes come from the clock, where nobody would catch what they throw. */
function catching(clock: Clock, onError: (error: unknown) => void): Clock {
  return {
    now: () => clock.now(),
    schedule: (at, run) =>
      clock.schedule(at, () => {
        try {
          run();
        } catch (error) {
          onError(error);
        }
      }),
  };
}

function closedError(name: NodeId): EngramError {
  return new EngramError('shutting_down', `${name} was closed`, { hint: 'Make a new node with createSwim.' });
}

function bytesOf(payload: Payload): Uint8Array {
  return typeof payload === 'string' ? new TextEncoder().encode(payload) : payload;
}
