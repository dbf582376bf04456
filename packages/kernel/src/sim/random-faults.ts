import { OptionsError } from '../errors.js';
import type { Random } from '../random.js';
import type { FaultAction } from './faults.js';
import type { LinkOptions } from './link-options.js';

/** All that a random schedule can do to the world. */
export const randomFaultKinds = ['kill', 'pause', 'partition', 'block', 'disturb', 'jump-wall-clock', 'drift'] as const;
/** One of them. */
export type RandomFaultKind = (typeof randomFaultKinds)[number];

/** Which faults, to whom, when, and how many. Times are milliseconds of virtual time. */
export interface RandomFaultOptions {
  readonly nodes: readonly string[];
  readonly fromMs: number;
  /** By then all is well again: nodes run, links are healed. Clocks stay where they were put, as clocks do. */
  readonly untilMs: number;
  /** Mean time between two faults. @default 2000 */
  readonly everyMs?: number;
  /** How long a fault lasts at most. @default 15000 */
  readonly lastsMsMax?: number;
  /** Nodes killed or paused at once. @default fewer than half */
  readonly downMax?: number;
  /** @default all kinds */
  readonly kinds?: readonly RandomFaultKind[];
}

const faultsMax = 10_000;

/** A schedule of faults that come and go, from a seeded stream; in the order of time. */
export function randomFaultSchedule(random: Random, options: RandomFaultOptions): FaultAction[] {
  return new FaultDealer(random, options).deal();
}

class FaultDealer {
  readonly #random: Random;
  readonly #nodes: readonly string[];
  readonly #fromMs: number;
  readonly #untilMs: number;
  readonly #everyMs: number;
  readonly #lastsMsMax: number;
  readonly #downMax: number;
  readonly #kinds: readonly RandomFaultKind[];
  readonly #actions: FaultAction[] = [];
  /** Until when each node is dead or paused. */
  readonly #downUntil = new Map<string, number>();

  constructor(random: Random, options: RandomFaultOptions) {
    this.#random = random;
    this.#nodes = options.nodes;
    this.#fromMs = Math.round(options.fromMs);
    this.#untilMs = Math.round(options.untilMs);
    this.#everyMs = options.everyMs ?? 2_000;
    this.#lastsMsMax = options.lastsMsMax ?? 15_000;
    this.#downMax = options.downMax ?? Math.floor((options.nodes.length - 1) / 2);
    this.#kinds = options.kinds ?? randomFaultKinds;
    if (this.#nodes.length === 0) throw new OptionsError('nodes', 'must name at least one node');
    if (this.#kinds.length === 0) throw new OptionsError('kinds', 'must name at least one kind of fault');
    if (!(this.#fromMs >= 0 && this.#untilMs > this.#fromMs)) throw new OptionsError('untilMs', 'must lie after fromMs, which is 0 or later');
    if (!(this.#everyMs >= 1)) throw new OptionsError('everyMs', `must be at least 1, got ${this.#everyMs}`);
    if (!(this.#lastsMsMax >= 1)) throw new OptionsError('lastsMsMax', `must be at least 1, got ${this.#lastsMsMax}`);
  }

  deal(): FaultAction[] {
    let atMs = this.#fromMs;
    for (let faults = 0; faults < faultsMax; faults++) {
      atMs += 1 + this.#random.below(Math.ceil(this.#everyMs * 2));
      if (atMs >= this.#untilMs) break;
      this.#one(this.#random.pick(this.#kinds), atMs);
    }
    this.#actions.push({ atMs: this.#untilMs, kind: 'heal' });
    return this.#actions.toSorted((a, b) => a.atMs - b.atMs);
  }

  #one(kind: RandomFaultKind, atMs: number): void {
    const endMs = Math.min(atMs + 1 + this.#random.below(Math.ceil(this.#lastsMsMax)), this.#untilMs);
    const node = this.#random.pick(this.#nodes);
    switch (kind) {
      case 'kill':            return this.#kill(node, atMs, endMs);
      case 'pause':           return this.#pause(node, atMs, endMs);
      case 'partition':       return this.#network({ atMs, kind, groups: this.#twoGroups() }, endMs);
      case 'block':           return this.#network({ atMs, kind, from: [node], to: [this.#random.pick(this.#nodes)] }, endMs);
      case 'disturb':         return this.#network({ atMs, kind, from: this.#random.chance(0.3) ? '*' : node, to: this.#random.pick(this.#nodes), link: this.#badLink() }, endMs);
      case 'jump-wall-clock': return this.#push({ atMs, kind, node, byMs: this.#random.below(7_200_001) - 3_600_000 });
      case 'drift':           return this.#push({ atMs, kind, node, ppm: this.#random.below(1_001) - 500 });
    }
  }

  #kill(node: string, atMs: number, endMs: number): void {
    const how = this.#random.chance(0.5) ? 'power' : 'process';
    const storage = this.#random.chance(0.1) ? 'lost' : 'kept';
    if (!this.#mayGoDown(node, atMs, endMs)) return;
    this.#push({ atMs, kind: 'kill', node, how });
    this.#push({ atMs: endMs, kind: 'restart', node, storage });
  }

  #pause(node: string, atMs: number, endMs: number): void {
    if (this.#mayGoDown(node, atMs, endMs)) this.#push({ atMs, kind: 'pause', node, forMs: endMs - atMs });
  }

  #network(action: FaultAction, endMs: number): void {
    this.#push(action);
    this.#push({ atMs: endMs, kind: 'heal' });
  }

  #mayGoDown(node: string, atMs: number, endMs: number): boolean {
    const down = [...this.#downUntil].filter(([, until]) => until >= atMs);
    if (down.length >= this.#downMax || down.some(([other]) => other === node)) return false;
    this.#downUntil.set(node, endMs);
    return true;
  }

  #twoGroups(): string[][] {
    const shuffled = this.#random.shuffle(this.#nodes);
    const cut = this.#random.below(shuffled.length + 1);
    return [shuffled.slice(0, cut), shuffled.slice(cut)];
  }

  /** One or several things wrong with a link, in hundredths so that a stored schedule reads well. */
  #badLink(): LinkOptions {
    const share = (): number => this.#random.below(51) / 100;
    const all = [
      { loss: share() },
      { duplicate: share() },
      { reorder: share(), reorderMsMax: 1 + this.#random.below(200) },
      { corrupt: share() / 5 },
      { delay: { minMs: 1, medianMs: 20, p99Ms: 100 + this.#random.below(400), maxMs: 1_000 } },
      { streamReset: share() / 2, streamRefuse: share(), streamHang: share() / 2, streamLoseReply: share() },
    ];
    return Object.assign({}, ...this.#random.shuffle(all).slice(0, 1 + this.#random.below(3))) as LinkOptions;
  }

  #push(action: FaultAction): void {
    this.#actions.push(action);
  }
}
