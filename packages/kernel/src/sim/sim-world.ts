import { assert } from '../assert.js';
import { installOracle, type SimulationOracle } from '../buggify.js';
import { EngramError, OptionsError } from '../errors.js';
import { hash64 } from '../hash.js';
import { Random } from '../random.js';
import type { Instant } from '../time.js';
import { BuggifyOracle, type BuggifyOptions } from './buggify-oracle.js';
import { codes, type LifeEvent, type SimContext, type TraceEvent } from './context.js';
import type { SimEnv } from './env.js';
import { ExitSignal, type Life } from './life.js';
import type { LinkOptions } from './link-options.js';
import { Machine, type SimNode, type SimNodeOptions } from './machine.js';
import { Network, type SimNetwork } from './network.js';
import { RunRecord } from './run-record.js';
import { SimFailure } from './sim-failure.js';
import { SimEvent, TieSource, Timeline } from './timeline.js';
import { TraceHash } from './trace-hash.js';
import { Transcript, type TranscriptKind, type TranscriptOptions } from './transcript.js';

/** Of a world: its seed, its links, and what is kept of what happens. */
export interface SimWorldOptions {
  /** All that happens follows from it. Compared as text: `7` and `'7'` are one seed. */
  readonly seed: number | bigint | string;
  /** Permutes events of one instant; another value leaves every random stream as it is. @default the seed */
  readonly tieSeed?: number | bigint | string;
  /** What all links are like. @default a local network without faults */
  readonly link?: LinkOptions;
  /** What the wall clocks show at the start. @default 1700000000000, in November 2023 */
  readonly wallClockStartMs?: number;
  /** Keeps the last lines of what happened, for people to read. @default none are kept */
  readonly transcript?: TranscriptOptions;
  /** Lets `buggify` in the product come true. @default it stays false */
  readonly buggify?: BuggifyOptions;
  /** Keeps every draw and every step of the trace hash, up to `recordMax` each. `checkDeterminism` asks for it. @default false */
  readonly record?: boolean;
  /** @default 1000000 */
  readonly recordMax?: number;
}

/** When to stop; whatever comes first. Times are of the world, from its beginning. */
export interface RunLimits {
  /** Everything up to and at this moment happens; then the world stands at it. */
  readonly untilMs?: number;
  /** Asked after every event. */
  readonly until?: (world: SimWorld) => boolean;
  /** How many more events may happen. @default 50000000 */
  readonly eventsMax?: number;
}

/** How a run ended. */
export interface RunResult {
  /** `idle`: nothing is left to happen. */
  readonly reason: 'time' | 'until' | 'events' | 'idle';
  /** Events of this run. */
  readonly events: number;
  readonly atMs: number;
}

/** Events without time going on, before a run is taken for a loop: a core asking again and again for an instant gone by. */
const eventsPerInstantMax = 1_000_000;

/**
 * A world of nodes, their network and their clocks, in virtual time, replayable from a seed. One event happens at a
 * time: it is handled, checks run, the next one follows. Nothing waits and nothing runs beside it.
 *
 * After a `SimFailure` the world must not be used further, except to look at it.
 */
export class SimWorld {
  readonly seed: string;
  readonly transcript: Transcript;
  readonly record: RunRecord | undefined;
  /** How often each rare state occurred that the product names with `sometimes`. */
  readonly sometimes = new Map<string, number>();
  readonly #root: Random;
  readonly #randoms = new Map<string, Random>();
  readonly #timeline: Timeline;
  /** For what the owner of the world asks for. */
  readonly #ties = new TieSource(0);
  readonly #hash = new TraceHash();
  readonly #context: SimContext;
  readonly #machines = new Map<string, Machine>();
  readonly #network: Network;
  readonly #oracle: SimulationOracle;
  readonly #wallClockStartMs: number;
  readonly #checks: ((world: SimWorld) => void)[] = [];
  #running = false;
  #eventsEver = 0;

  constructor(options: SimWorldOptions) {
    this.seed = String(options.seed);
    this.#root = Random.fromSeed(options.seed);
    this.#timeline = new Timeline(Number(hash64(`tie ${options.tieSeed ?? this.seed}`) & 0xffff_ffffn) | 0);
    this.record = options.record === true ? new RunRecord(() => this.#timeline.now, options.recordMax ?? 1_000_000) : undefined;
    this.transcript = new Transcript(options.transcript ?? { kinds: [] });
    this.#wallClockStartMs = options.wallClockStartMs ?? 1_700_000_000_000;
    if (!Number.isSafeInteger(this.#wallClockStartMs)) throw new OptionsError('wallClockStartMs', 'is a whole number of milliseconds');
    this.#context = this.#newContext();
    this.#network = new Network(this.#context, this.#machines, options.link ?? {});
    this.#oracle = new BuggifyOracle(options.buggify, (name) => this.random(name), this.sometimes);
  }

  get nowMs(): number {
    return this.#timeline.now / 1_000;
  }

  get now(): Instant {
    return this.#timeline.now as Instant;
  }

  /** Events that have happened so far. */
  get events(): number {
    return this.#eventsEver;
  }

  get network(): SimNetwork {
    return this.#network;
  }

  get nodes(): readonly SimNode[] {
    return [...this.#machines.values()];
  }

  /** Throws `invalid_argument` for a name that no node has. What its process is, the caller must know. */
  node<P extends object = object>(id: string): SimNode<P> {
    const machine = this.#machines.get(id);
    if (machine !== undefined) return machine as SimNode<object> as SimNode<P>;
    throw new EngramError('invalid_argument', `no node is called ${id}; there are ${[...this.#machines.keys()].join(', ') || 'none'}`);
  }

  /** A hash over everything that has happened: equal for equal seeds, in every process. */
  hash(): string {
    return this.#hash.digest();
  }

  /**
   * The random stream of that name, the same one each time it is asked for. What is drawn from it shifts no other. The
   * world itself uses names that begin with `node/`, `link/`, `disk/` and `buggify/`.
   */
  random(name: string): Random {
    let random = this.#randoms.get(name);
    if (random === undefined) {
      random = this.#freshRandom(name);
      this.#randoms.set(name, random);
    }
    return random;
  }

  /**
   * Adds a machine. `boot` runs at once, or at `startAtMs`, and again after every restart; it starts one life of the
   * process with what `env` offers and nothing else. Names are unique; identities, which `boot` chooses, need not be.
   */
  addNode<P extends object>(id: string, boot: (env: SimEnv) => P, options: SimNodeOptions = {}): SimNode<P> {
    if (!/^[\w.:-]{1,64}$/.test(id)) throw new EngramError('invalid_argument', `a node is called by 1 to 64 letters, digits or any of _ . : -, not ${JSON.stringify(id)}`);
    if (this.#machines.has(id)) throw new EngramError('invalid_argument', `a node called ${id} is there already`);
    const machine = new Machine(id, this.#machines.size, boot, options, this.#wallClockStartMs, this.#context, this.#network);
    this.#machines.set(id, machine as unknown as Machine);
    const startAt = Math.round((options.startAtMs ?? 0) * 1_000);
    if (startAt <= this.#timeline.now) machine.boot();
    else this.#timeline.schedule(new Call(this.#context, () => machine.alive || machine.boot()), startAt, machine.ties);
    return machine;
  }

  /** Calls it at that moment of the world, or at once when it has passed: for workloads and nemeses. */
  at(atMs: number, run: () => void): void {
    const at = Math.max(Math.round(atMs * 1_000), this.#timeline.now);
    this.#timeline.schedule(new Call(this.#context, run), at, this.#ties);
  }

  /** Runs after every single event; throw to fail the run. Keep it cheap. */
  onStep(check: (world: SimWorld) => void): void {
    this.#checks.push(check);
  }

  /** Hears what nodes note with `env.trace`, in the middle of the event. Killing the very node that noted it is allowed. */
  onTrace(listener: (event: TraceEvent) => void): void {
    this.#context.traced.push(listener);
  }

  /** Hears of boots, deaths and pauses, in the middle of the event: look, do not touch. */
  onLife(listener: (event: LifeEvent) => void): void {
    this.#context.lived.push(listener);
  }

  /** Lets things happen, up to the first of the limits. Throws `SimFailure` around whatever code of a node or a check throws. */
  run(limits: RunLimits): RunResult {
    assert(!this.#running, 'a world that runs cannot be run from within');
    const eventsMax = limits.eventsMax ?? 50_000_000;
    const untilUs = limits.untilMs === undefined ? Infinity : Math.round(limits.untilMs * 1_000);
    const eventsBefore = this.#eventsEver;
    const oracleBefore = installOracle(this.#oracle);
    this.#running = true;
    try {
      const reason = this.#loop(untilUs, limits.until, eventsBefore + eventsMax);
      return { reason, events: this.#eventsEver - eventsBefore, atMs: this.nowMs };
    } finally {
      this.#running = false;
      installOracle(oracleBefore);
    }
  }

  /** `run` for so long from now. */
  runFor(ms: number): RunResult {
    return this.run({ untilMs: this.nowMs + ms });
  }

  #loop(untilUs: number, until: ((world: SimWorld) => boolean) | undefined, eventsEnd: number): RunResult['reason'] {
    const timeline = this.#timeline;
    let stuck = 0;
    for (;;) {
      const event = timeline.peek();
      if (event === undefined || event.at > untilUs) {
        if (untilUs === Infinity) return 'idle';
        timeline.now = Math.max(timeline.now, untilUs);
        return 'time';
      }
      if (this.#eventsEver >= eventsEnd) return 'events';
      timeline.pop();
      stuck = event.at === timeline.now ? stuck + 1 : 0;
      timeline.now = event.at;
      this.#eventsEver++;
      try {
        assert(stuck < eventsPerInstantMax, `${eventsPerInstantMax} events passed without time going on`);
        this.#step(event);
        if (until?.(this) === true) return 'until';
      } catch (error) {
        throw new SimFailure(error, this.seed, this.#eventsEver, timeline.now, this.#context.running?.id);
      }
    }
  }

  #step(event: SimEvent): void {
    const context = this.#context;
    context.running = undefined;
    this.#hash.addNumber(event.at);
    try {
      event.fire();
    } catch (error) {
      if (!(error instanceof ExitSignal)) throw error;
      error.life.machine.exited(error);
    }
    context.running = undefined;
    this.record?.noteEvent(event.at, this.#hash.word);
    for (const check of this.#checks) check(this);
  }

  #freshRandom(name: string): Random {
    const random = this.#root.fork(name);
    return this.record === undefined ? random : random.observed(this.record.observer(name));
  }

  #newContext(): SimContext {
    const { transcript } = this;
    const note = (node: string, what: string): void => transcript.note(this.#timeline.now, node, what);
    return {
      timeline: this.#timeline,
      hash: this.#hash,
      running: undefined as Life | undefined,
      random: (name) => this.random(name),
      freshRandom: (name) => this.#freshRandom(name),
      wants: (kind: TranscriptKind, node: string) => transcript.wants(kind, node),
      note,
      withOracle: (run) => {
        const before = installOracle(this.#oracle);
        try {
          run();
        } finally {
          installOracle(before);
        }
      },
      traced: [],
      lived: [],
    };
  }
}

/** Something the owner of the world asked for. */
class Call extends SimEvent {
  readonly #context: SimContext;
  readonly #run: () => void;

  constructor(context: SimContext, run: () => void) {
    super();
    this.#context = context;
    this.#run = run;
  }

  fire(): void {
    this.#context.hash.addWord(codes.call);
    this.#run();
  }
}
