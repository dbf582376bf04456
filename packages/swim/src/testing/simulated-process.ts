import { Driver, plusMs, type ClusterId, type NodeId } from '@engram/kernel';
import type { SimEnv, SimProcess, SimStream, StreamHandlers } from '@engram/kernel/sim';
import { SwimCore, type Address, type SwimEffect, type SwimEvent, type SwimOptions } from '../core/index.js';
import { EventLoopStalls, type LoopDelay } from '../node/event-loop-stalls.js';
import { framed, FrameReader } from '../node/frame-reader.js';
import type { Sabotage } from './sabotage.js';

/** What a core wanted done, as performed. */
export interface SeenEffect {
  /** Virtual time of the world. */
  readonly atMs: number;
  readonly node: string;
  /** 1 until the first restart. */
  readonly life: number;
  readonly effect: SwimEffect;
}

export interface ProcessSettings {
  readonly cluster: ClusterId;
  readonly id: NodeId;
  readonly clusterId: string | undefined;
  readonly swim: SwimOptions;
  readonly metadata: Uint8Array | undefined;
  /** Asked at each start. */
  readonly seeds: () => readonly Address[];
  readonly sabotage: Sabotage | undefined;
  /** Hears every effect but those that only carry bytes. */
  readonly onEffect: (effect: SwimEffect, life: number) => void;
}

/** A simulated process stands still only where its wakes are late, so there is nothing more to measure. */
const noLoopDelay: LoopDelay = { max: 0, enable: () => true, disable: () => true, reset: () => {} };
/** From one look at the sockets to the next, while they are emptied after a stall. */
const turnMs = 0.1;

const carryingBytes: ReadonlySet<SwimEffect['kind']> = new Set(['send-datagram', 'open-stream', 'send-stream', 'close-stream']);

/** One life of a member: the production core under the production driver, with simulated sockets, clock and disk. */
export class SimulatedProcess implements SimProcess {
  readonly core: SwimCore;
  /** What this life began with; the core may have raised its own since. */
  readonly epochAtStart: number;
  readonly #driver: Driver<SwimEvent, SwimEffect>;
  readonly #stalls: EventLoopStalls;
  /** Datagrams and pieces of streams so far. */
  #received = 0;
  readonly #env: SimEnv;
  readonly #settings: ProcessSettings;
  readonly #streams = new Map<number, SimStream>();
  #nextInbound = -1;
  /** Requests of the process itself; those of a test are its own affair, and best positive. */
  #nextRequest = -1;

  constructor(env: SimEnv, settings: ProcessSettings) {
    this.#env = env;
    this.#settings = settings;
    const { cluster, id, swim, metadata } = settings;
    this.epochAtStart = this.#nextEpoch();
    const clusterId = this.#clusterId();
    const self = { cluster, ...(clusterId !== undefined && { clusterId }), id, address: env.address as Address, epoch: this.epochAtStart, ...(metadata && { metadata }) };
    this.core = new SwimCore(self, env.random.fork('swim'), swim);
    this.#stalls = new EventLoopStalls(env.clock, {
      stallMs: this.core.options.stallMs,
      received: () => this.#received,
      onStalled: (ms) => this.dispatch({ kind: 'loop-stalled', ms }),
      onDrained: () => this.dispatch({ kind: 'inbound-drained' }),
      loopDelay: noLoopDelay,
      afterPoll: (run) => void env.clock.schedule(plusMs(env.clock.now(), turnMs), run),
    });
    this.#driver = new Driver(this.core, this.#stalls.clock, (effect) => this.#perform(effect));
    env.datagrams.onReceive((from, bytes) => this.#receive({ kind: 'datagram-received', from: from as Address, bytes }));
    env.streams.onAccept((stream, from) => this.#accept(stream, from as Address));
    this.dispatch({ kind: 'seeds-resolved', addresses: settings.seeds() });
    this.dispatch({ kind: 'join', request: this.#nextRequest-- });
  }

  dispatch(event: SwimEvent): void {
    const { sabotage } = this.#settings;
    const heard = sabotage?.event ? sabotage.event(event, this.core) : event;
    if (heard) this.#driver.dispatch(heard);
  }

  #receive(event: SwimEvent): void {
    this.#received++;
    this.#stalls.beforeInput();
    this.dispatch(event);
  }

  /** As on SIGTERM: leaves, and exits once that is done. */
  stop(): void {
    this.dispatch({ kind: 'leave', request: this.#nextRequest-- });
  }

  #perform(effect: SwimEffect): void {
    const { sabotage } = this.#settings;
    if (!sabotage) return this.#performAsTold(effect);
    for (const done of sabotage.effect ? sabotage.effect(effect, this.core) : [effect]) this.#performAsTold(done);
    sabotage.afterwards?.(effect, (event) => this.#driver.dispatch(event));
  }

  #performAsTold(effect: SwimEffect): void {
    this.#note(effect);
    switch (effect.kind) {
      case 'send-datagram':  return this.#env.datagrams.send(effect.to, effect.bytes);
      case 'open-stream':    return this.#open(effect.stream, effect.to, effect.bytes);
      case 'send-stream':    return void this.#streams.get(effect.stream)?.write(framed(effect.bytes));
      case 'close-stream':   return this.#close(effect.stream);
      case 'persist-epoch':  return this.#persistEpoch(effect.epoch);
      case 'cluster-id-learned': return this.#persistClusterId(effect.clusterId);
      case 'resolve-seeds':  return this.dispatch({ kind: 'seeds-resolved', addresses: this.#settings.seeds() });
      case 'leave-finished': return effect.request < 0 ? this.#env.exit('has left') : undefined;
      default:               return;
    }
  }

  #note(effect: SwimEffect): void {
    if (carryingBytes.has(effect.kind)) return;
    const line = lineOf(effect);
    if (line) this.#env.trace(effect.kind, ...line);
    this.#settings.onEffect(effect, this.#env.life);
  }

  // ── The epoch: persisted before the core exists, as in production ────────────────────────────────────────────────

  #nextEpoch(): number {
    const stored = this.#env.storage.get('epoch');
    const persisted = stored && new DataView(stored.slice().buffer).getFloat64(0);
    const epoch = this.#settings.sabotage?.epoch?.(persisted) ?? Math.max(Math.floor(this.#env.wallClockMs() / 1_000), (persisted ?? 0) + 1);
    this.#persistEpoch(epoch);
    return epoch;
  }

  #persistEpoch(epoch: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, epoch);
    this.#env.storage.set('epoch', bytes);
    this.#env.storage.sync();
  }

  /** What an earlier life was told, then what this node is given. */
  #clusterId(): string | undefined {
    const stored = this.#env.storage.get('cluster-id');
    return stored ? String.fromCharCode(...stored) : this.#settings.clusterId;
  }

  #persistClusterId(clusterId: string): void {
    this.#env.storage.set('cluster-id', Uint8Array.from(clusterId, (character) => character.charCodeAt(0)));
    this.#env.storage.sync();
  }

  // ── Streams: whole frames, each behind its length ────────────────────────────────────────────────────────────────

  #accept(stream: SimStream, from: Address): StreamHandlers {
    const id = this.#nextInbound--;
    this.#streams.set(id, stream);
    return this.#handlers(id, from);
  }

  #open(id: number, to: Address, bytes: Uint8Array): void {
    const stream = this.#env.streams.connect(to, this.#handlers(id, to));
    this.#streams.set(id, stream);
    stream.write(framed(bytes));
  }

  #close(id: number): void {
    const stream = this.#streams.get(id);
    this.#streams.delete(id);
    stream?.end();
  }

  #handlers(id: number, from: Address): StreamHandlers {
    const reader = new FrameReader(this.core.options.streamBytesMax);
    return {
      onData: (bytes) => {
        const read = reader.read(bytes);
        if (read.kind === 'too-large') return this.#over(id, 'a frame over the limit');
        for (const frame of read.frames) this.#receive({ kind: 'stream-received', stream: id, from, bytes: frame });
      },
      onEnd: () => this.#over(id, 'ended by the other side'),
      onClosed: (why) => this.#over(id, why),
    };
  }

  #over(id: number, reason: string): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#streams.delete(id);
    stream.end();
    this.dispatch({ kind: 'stream-closed', stream: id, reason });
  }
}

/** What a transcript says after the kind; undefined for what would fill it without telling much. */
function lineOf(effect: SwimEffect): readonly (string | number)[] | undefined {
  switch (effect.kind) {
    case 'member-joined':
    case 'member-restarted':
    case 'member-suspect':
    case 'member-recovered':
    case 'member-dead':
    case 'member-left':
    case 'member-updated':
    case 'member-forgotten': return [effect.member.id, `epoch ${effect.member.epoch}`, `incarnation ${effect.member.incarnation}`];
    case 'refuted':          return [`incarnation ${effect.incarnation}`, `accused by ${effect.by ?? 'nobody known'}`];
    case 'health-changed':   return [effect.score];
    case 'cluster-id-learned': return [effect.clusterId];
    case 'superseded':       return [effect.address, `epoch ${effect.epoch}`];
    case 'join-finished':    return [`contacted ${effect.contacted.length}`, `failed ${effect.failed.length}`];
    case 'leave-finished':   return [`confirmed by ${effect.confirmed}`];
    case 'probe-finished':   return effect.outcome === 'failed' ? [effect.member, 'failed'] : undefined;
    case 'rejected':         return [effect.reason, `from ${effect.from}`];
    case 'isolated':
    case 'rejoined':         return [];
    default:                 return undefined;
  }
}
