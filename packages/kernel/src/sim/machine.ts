import { assert } from '../assert.js';
import { OptionsError } from '../errors.js';
import { hash64 } from '../hash.js';
import type { StreamEnd } from './connection.js';
import { codes, type LifeEvent, type SimContext } from './context.js';
import type { Address, SimEnv, SimProcess, SimStream, StreamHandlers } from './env.js';
import type { KillKind } from './faults.js';
import { HostClock } from './host-clock.js';
import { ExitSignal, Life } from './life.js';
import type { Link } from './link.js';
import type { Delivery, Network } from './network.js';
import { Storage } from './storage.js';
import { SimEvent, TieSource } from './timeline.js';
import { TrafficCounter, type NodeTraffic } from './traffic.js';

/** Where a node is, when it boots, and what its clocks and its disk are like. */
export interface SimNodeOptions {
  /** @default `<id>:7946` */
  readonly address?: Address;
  /** Virtual time of the first boot; from now on when it has passed. @default at once */
  readonly startAtMs?: number;
  /** How far its wall clock is off from the start. @default 0 */
  readonly wallClockOffsetMs?: number;
  /** How much faster its clocks run, in parts per million. @default 0 */
  readonly driftPpm?: number;
  /** What the socket holds while the process is paused; a datagram takes its size and 768 bytes, as on Linux. @default 212992 */
  readonly socketBufferBytesMax?: number;
  /** @default 1048576 */
  readonly storageBytesMax?: number;
  /** Streams open at once. @default 4096 */
  readonly streamsMax?: number;
}

/** One node of the world: a machine with an address, a clock and a small disk, and the process that lives on it at times. */
export interface SimNode<P extends object = object> {
  readonly id: string;
  readonly alive: boolean;
  readonly paused: boolean;
  /** The address it sends from: the latest it was given; empty when it owns none. */
  readonly address: Address;
  /** What `boot` returned; undefined while the node is dead. */
  readonly process: P | undefined;
  /** How often it was booted. */
  readonly lives: number;
  readonly traffic: NodeTraffic;
  /** Ends the process without telling it. Does nothing to a dead one. @default 'process' */
  kill(how?: KillKind): void;
  /** Boots it again, after killing it if it lives. */
  restart(options?: { readonly storage?: 'kept' | 'lost' }): void;
  /** Asks the process to go (`process.stop`). */
  stop(): void;
  /** Nothing of the process runs for so long; then all late timers run, then what waits in the sockets. Pauses overlap, they do not add up. */
  pause(ms: number): void;
  /** Sets its wall clock forward, or back when negative. Its monotonic clock goes on as before. */
  jumpWallClock(byMs: number): void;
  /** From now on. Replaces an earlier drift. */
  drift(ppm: number): void;
}

/** Something that arrived while nobody read the sockets, and what it takes of their buffer. */
interface Waiting {
  readonly event: SimEvent;
  readonly charged: number;
}

/** Kernel overhead of one datagram in a socket buffer. */
const datagramOverheadBytes = 768;

export class Machine<P extends object = object> implements SimNode<P> {
  readonly id: string;
  readonly index: number;
  readonly links: (Link | undefined)[] = [];
  /** For what happens on this machine itself. */
  readonly ties: TieSource;
  readonly traffic = new TrafficCounter();
  readonly hostClock: HostClock;
  readonly storage: Storage;
  process: P | undefined;
  life: Life | undefined;
  lives = 0;
  receiver: ((from: Address, bytes: Uint8Array) => void) | undefined;
  acceptor: ((stream: SimStream, from: Address) => StreamHandlers) | undefined;
  /** False from a loss of power until the next boot: then not even a refusal comes from here. */
  kernelAlive = true;
  readonly #boot: (env: SimEnv) => P;
  readonly #context: SimContext;
  readonly #network: Network;
  readonly #options: SimNodeOptions;
  readonly #addresses: Address[] = [];
  readonly #streams = new Set<StreamEnd>();
  #state: 'running' | 'paused' | 'catching-up' = 'running';
  #pausedUntil = 0;
  #lateTimers: SimEvent[] = [];
  #waiting: Waiting[] = [];
  #waitingBytes = 0;

  constructor(id: string, index: number, boot: (env: SimEnv) => P, options: SimNodeOptions, wallClockMs: number, context: SimContext, network: Network) {
    checkNodeOptions(options);
    this.id = id;
    this.index = index;
    this.ties = new TieSource(Number(hash64(id) & 0xffff_ffffn));
    this.#boot = boot;
    this.#context = context;
    this.#network = network;
    this.#options = options;
    this.hostClock = new HostClock(wallClockMs + (options.wallClockOffsetMs ?? 0));
    this.hostClock.drift(options.driftPpm ?? 0, context.timeline.now);
    this.storage = new Storage(options.storageBytesMax ?? 1_048_576);
    network.own(options.address ?? `${id}:7946`, this);
  }

  get alive(): boolean {
    return this.life !== undefined;
  }

  get paused(): boolean {
    return this.#state === 'paused';
  }

  get address(): Address {
    return this.#addresses.at(-1) ?? '';
  }

  boot(): void {
    assert(this.life === undefined, `${this.id} lives already`);
    this.lives++;
    this.#said(codes.boot, 'life', `boots, life ${this.lives}`);
    this.#became('boot');
    const life = (this.life = new Life(this, this.lives, this.#context, this.#network));
    this.kernelAlive = true;
    this.#inProcess(life, () => {
      this.process = this.#boot(life);
    });
    if (!life.alive) this.process = undefined;
  }

  kill(how: KillKind = 'process'): void {
    const { life } = this;
    if (life === undefined) return;
    this.#said(codes.death, 'fault', how === 'power' ? 'loses power' : 'is killed');
    this.#became('death');
    life.alive = false;
    this.life = undefined;
    this.process = undefined;
    this.receiver = undefined;
    this.acceptor = undefined;
    this.kernelAlive = how === 'process';
    if (how === 'power') this.storage.losePower(this.#context.random(`disk/${this.id}`));
    this.#forgetBacklog();
    for (const stream of this.#streams) stream.orphaned(this.kernelAlive);
    this.#streams.clear();
  }

  restart(options: { readonly storage?: 'kept' | 'lost' } = {}): void {
    this.kill();
    if (options.storage === 'lost') this.storage.wipe();
    this.boot();
  }

  stop(): void {
    const { life } = this;
    const process: SimProcess | undefined = this.process;
    if (life === undefined || process === undefined) return;
    this.#said(codes.call, 'fault', 'is asked to stop');
    this.#inProcess(life, () => process.stop?.());
  }

  pause(ms: number): void {
    assert(ms >= 0, `a pause does not last ${ms} ms`);
    if (this.life === undefined) return;
    this.#said(codes.pause, 'fault', `is paused for ${ms} ms`);
    this.#became('pause');
    const until = this.#context.timeline.now + Math.round(ms * 1_000);
    if (this.paused && until <= this.#pausedUntil) return;
    this.#state = 'paused';
    this.#pausedUntil = until;
    this.#context.timeline.schedule(new Later(this.life, this.#resume), until, this.ties);
  }

  jumpWallClock(byMs: number): void {
    this.hostClock.jumpWall(byMs);
    this.#said(codes.clock, 'fault', `has its wall clock set ${byMs < 0 ? 'back' : 'forward'} by ${Math.abs(byMs)} ms`);
  }

  drift(ppm: number): void {
    this.hostClock.drift(ppm, this.#context.timeline.now);
    this.#said(codes.clock, 'fault', `drifts by ${ppm} ppm`);
  }

  // What the rest of the world calls.

  /** The process does not look at its timers and sockets at the moment. */
  get blocked(): boolean {
    return this.#state !== 'running';
  }

  /** Code of this node is about to run. */
  enter(): void {
    assert(this.life !== undefined, `${this.id} is dead, but one of its callbacks is about to run`);
    this.#context.running = this.life;
  }

  exited(signal: ExitSignal): void {
    if (signal.life !== this.life) return;
    if (this.#context.wants('life', this.id)) this.#context.note(this.id, signal.message);
    this.kill();
  }

  gainsAddress(address: Address): void {
    this.#addresses.push(address);
  }

  losesAddress(address: Address): void {
    this.#addresses.splice(this.#addresses.indexOf(address), 1);
  }

  holdStream(stream: StreamEnd): boolean {
    if (this.#streams.size >= (this.#options.streamsMax ?? 4_096)) return false;
    this.#streams.add(stream);
    return true;
  }

  dropStream(stream: StreamEnd): void {
    this.#streams.delete(stream);
  }

  bufferTimer(timer: SimEvent): void {
    this.#lateTimers.push(timer);
  }

  /** Streams bound themselves: their sender holds no more than its buffer. */
  bufferSegment(segment: SimEvent): void {
    this.#waiting.push({ event: segment, charged: 0 });
  }

  /** False when the socket buffer has no room for it. */
  buffer(delivery: Delivery, bytes: number): boolean {
    const charged = bytes + datagramOverheadBytes;
    if (this.#waitingBytes + charged > (this.#options.socketBufferBytesMax ?? 212_992)) return false;
    this.#waitingBytes += charged;
    this.#waiting.push({ event: delivery, charged });
    return true;
  }

  readonly #resume = (life: Life): void => {
    if (this.life !== life || this.#state !== 'paused' || this.#context.timeline.now < this.#pausedUntil) return;
    this.#said(codes.resume, 'fault', 'runs again');
    this.#became('resume');
    this.#catchUpNext(life);
  };

  /**
   * Does one thing that came late: timers first, in the order in which they were due, then the sockets, as an event loop
   * does. One event each, so that checks run and faults strike in between; whatever else happens at this instant waits.
   */
  readonly #catchUp = (life: Life): void => {
    if (this.life !== life || this.#state !== 'catching-up') return;
    const late = this.#lateTimers.shift() ?? this.#nextWaiting();
    this.#state = 'running';
    try {
      late?.fire();
    } finally {
      if (this.life === life && !this.blocked) this.#catchUpNext(life);
    }
  };

  #catchUpNext(life: Life): void {
    const done = this.#lateTimers.length === 0 && this.#waiting.length === 0;
    this.#state = done ? 'running' : 'catching-up';
    if (!done) this.#context.timeline.scheduleFirst(new Later(life, this.#catchUp));
  }

  #nextWaiting(): SimEvent | undefined {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return undefined;
    this.#waitingBytes -= waiting.charged;
    return waiting.event;
  }

  #forgetBacklog(): void {
    const waiting = this.#waiting;
    this.#state = 'running';
    this.#lateTimers = [];
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const { event } of waiting) event.discarded();
  }

  /** Runs code of the process outside of an event of its own; what it exits with ends here. */
  #inProcess(life: Life, run: () => void): void {
    const before = this.#context.running;
    this.#context.running = life;
    try {
      this.#context.withOracle(run);
    } catch (error) {
      if (!(error instanceof ExitSignal) || error.life !== life) throw error;
      this.exited(error);
    } finally {
      this.#context.running = before;
    }
  }

  #became(what: LifeEvent['what']): void {
    for (const listener of this.#context.lived) listener({ atMs: this.#context.timeline.now / 1_000, node: this.id, what });
  }

  #said(code: number, kind: 'life' | 'fault', text: string): void {
    this.#context.hash.addWord(code);
    this.#context.hash.addWord(this.index);
    this.#context.hash.addText(text);
    if (this.#context.wants(kind, this.id)) this.#context.note(this.id, text);
  }
}

/** Something that this machine does with one life of its process at a later moment. */
class Later extends SimEvent {
  readonly #life: Life;
  readonly #act: (life: Life) => void;

  constructor(life: Life, act: (life: Life) => void) {
    super();
    this.#life = life;
    this.#act = act;
  }

  fire(): void {
    this.#act(this.#life);
  }
}

function checkNodeOptions(options: SimNodeOptions): void {
  for (const name of ['socketBufferBytesMax', 'storageBytesMax', 'streamsMax'] as const) {
    const value = options[name];
    if (value !== undefined && !(value >= 0)) throw new OptionsError(name, `must not be negative, got ${value}`);
  }
}
