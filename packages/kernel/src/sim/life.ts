import { assert } from '../assert.js';
import type { Clock } from '../driver.js';
import type { Random } from '../random.js';
import type { Instant } from '../time.js';
import { StreamEnd } from './connection.js';
import { codes, type SimContext } from './context.js';
import type { Address, SimDatagrams, SimEnv, SimStorage, SimStreams } from './env.js';
import type { Machine } from './machine.js';
import type { Network } from './network.js';
import { SimEvent } from './timeline.js';

/** A timer that is due already runs this much later: behind everything that has arrived by then, as on a real event loop. */
const soonUs = 100;

/** Unwinds the stack of a process that is no more. Only the world catches it. */
export class ExitSignal extends Error {
  readonly life: Life;

  constructor(life: Life, reason: string) {
    super(`${life.id} exits: ${reason}`);
    this.life = life;
  }
}

/** One life of a node, from boot to death, and what its process may touch meanwhile. */
export class Life implements SimEnv {
  readonly machine: Machine;
  readonly life: number;
  readonly random: Random;
  readonly clock: Clock;
  readonly datagrams: SimDatagrams;
  readonly streams: SimStreams;
  readonly storage: SimStorage;
  alive = true;
  readonly #context: SimContext;
  /** Uptime of the machine when this life began: the zero of its clock. */
  readonly #bornAt: number;

  constructor(machine: Machine, life: number, context: SimContext, network: Network) {
    this.machine = machine;
    this.life = life;
    this.#context = context;
    this.#bornAt = machine.hostClock.uptimeAt(context.timeline.now);
    this.random = context.random(`node/${machine.id}/${life}`);
    this.clock = { now: () => this.#checkedNow(), schedule: (at, run) => this.#schedule(at, run) };
    this.datagrams = this.#datagramsOver(network);
    this.streams = this.#streamsOver(network);
    this.storage = this.#storage();
  }

  get id(): string {
    return this.machine.id;
  }

  get address(): Address {
    return this.machine.address;
  }

  wallClockMs(): number {
    this.check();
    return this.machine.hostClock.wallMsAt(this.#context.timeline.now);
  }

  trace(what: string, ...details: readonly (string | number)[]): void {
    this.check();
    const { hash, timeline, traced } = this.#context;
    hash.addWord(codes.trace);
    hash.addWord(this.machine.index);
    hash.addText(what);
    for (const detail of details) {
      if (typeof detail === 'string') hash.addText(detail);
      else hash.addNumber(Number.isSafeInteger(detail) ? detail : Math.round(detail * 1_000_000));
    }
    if (this.#context.wants('trace', this.id)) this.#context.note(this.id, [what, ...details].join(' '));
    if (traced.length === 0) return;
    const event = { atMs: timeline.now / 1_000, node: this.id, what, details };
    for (const listener of traced) listener(event);
    // A listener may have killed this very node; nothing more of its code shall run.
    this.check();
  }

  exit(reason: string): never {
    this.check();
    throw new ExitSignal(this, reason);
  }

  /**
   * Every door of the environment goes through here. Code of a dead process that is still on the stack is unwound; any
   * other code of a dead process is a mistake in the world or in a test.
   */
  check(): void {
    if (this.alive) return;
    if (this.#context.running === this) throw new ExitSignal(this, 'it was killed');
    assert(false, `life ${this.life} of ${this.id} is over, but its code is running`, { node: this.id, life: this.life });
  }

  /** Microseconds since this life began, as its own clock counts them. */
  now(): Instant {
    return (this.machine.hostClock.uptimeAt(this.#context.timeline.now) - this.#bornAt) as Instant;
  }

  /** When in the world this clock shows `at`. */
  worldAt(at: Instant): number {
    return this.machine.hostClock.worldAt(this.#bornAt + at);
  }

  #checkedNow(): Instant {
    this.check();
    return this.now();
  }

  #schedule(at: Instant, run: () => void): () => void {
    this.check();
    const { timeline } = this.#context;
    const timer = new Timer(this, this.#context, at, run);
    timeline.schedule(timer, at <= this.now() ? timeline.now + soonUs : this.worldAt(at), this.machine.ties);
    return () => timeline.cancel(timer);
  }

  #datagramsOver(network: Network): SimDatagrams {
    return {
      send: (to, bytes) => {
        this.check();
        network.send(this.machine, this.machine.address, to, bytes);
      },
      onReceive: (handler) => {
        this.check();
        this.machine.receiver = handler;
      },
    };
  }

  #streamsOver(network: Network): SimStreams {
    return {
      connect: (to, handlers) => {
        this.check();
        return StreamEnd.connect(this, to, handlers, this.#context, network);
      },
      onAccept: (handler) => {
        this.check();
        this.machine.acceptor = handler;
      },
    };
  }

  #storage(): SimStorage {
    const { storage } = this.machine;
    const wrote = (what: string, key: string): void => {
      this.#context.hash.addWord(codes.storage);
      this.#context.hash.addText(what);
      this.#context.hash.addText(key);
      if (this.#context.wants('storage', this.id)) this.#context.note(this.id, `storage ${what} ${key}`.trimEnd());
    };
    return {
      get: (key) => {
        this.check();
        return storage.get(key);
      },
      set: (key, bytes) => {
        this.check();
        storage.set(key, bytes);
        wrote('set', key);
      },
      delete: (key) => {
        this.check();
        storage.delete(key);
        wrote('delete', key);
      },
      keys: () => {
        this.check();
        return storage.keys();
      },
      sync: () => {
        this.check();
        storage.sync();
        wrote('sync', '');
      },
    };
  }
}

class Timer extends SimEvent {
  readonly #life: Life;
  readonly #context: SimContext;
  readonly #due: Instant;
  readonly #run: () => void;

  constructor(life: Life, context: SimContext, due: Instant, run: () => void) {
    super();
    this.#life = life;
    this.#context = context;
    this.#due = due;
    this.#run = run;
  }

  fire(): void {
    if (!this.#life.alive || this.cancelled) return;
    const { machine } = this.#life;
    if (machine.blocked) {
      machine.bufferTimer(this);
      return;
    }
    // The clock may have slowed down since the timer was set; then it is not time yet.
    if (this.#life.now() < this.#due) {
      this.#context.timeline.schedule(this, this.#life.worldAt(this.#due), machine.ties);
      return;
    }
    this.cancelled = true; // Spent: cancelling it from now on does nothing.
    this.#context.hash.addWord(codes.timer);
    this.#context.hash.addWord(machine.index);
    if (this.#context.wants('timer', machine.id)) this.#context.note(machine.id, 'timer');
    machine.enter();
    this.#run();
  }
}
