import type { FaultAction, LinkOptions } from '@engram/kernel/sim';
import type { Plan } from './plan.js';

interface Span {
  readonly fromMs: number;
  toMs: number;
}

interface Cut extends Span {
  separates(from: string, to: string): boolean;
}

interface Disturbance extends Span {
  touches(name: string): boolean;
}

/** A process that ended, and how. */
export interface Ending {
  readonly node: string;
  readonly atMs: number;
  readonly how: 'kill' | 'stop';
  /** When it was started again; Infinity when it was not. */
  readonly untilMs: number;
}

/**
 * What is really the case, known from the schedule alone: who runs, who is frozen, who is cut off from whom and whose
 * links are bad. Checkers hold the views of the members against it.
 */
export class Truth {
  readonly endings: readonly Ending[];
  readonly #down = new Map<string, Span[]>();
  readonly #paused = new Map<string, Span[]>();
  readonly #cuts: Cut[] = [];
  readonly #disturbed: Disturbance[] = [];

  constructor(plan: Pick<Plan, 'spares' | 'schedule'>) {
    for (const spare of plan.spares) this.#spansOf(this.#down, spare).push({ fromMs: 0, toMs: Infinity });
    const endings: (Ending & { untilMs: number })[] = [];
    let partition: Cut | undefined;
    let open: Span[] = [];
    for (const action of plan.schedule) {
      const { atMs } = action;
      switch (action.kind) {
        case 'kill':
        case 'stop':
          if (!this.isDown(action.node, atMs)) {
            this.#spansOf(this.#down, action.node).push({ fromMs: atMs, toMs: Infinity });
            endings.push({ node: action.node, atMs, how: action.kind, untilMs: Infinity });
          }
          break;
        case 'restart': {
          for (const span of this.#spansOf(this.#down, action.node)) span.toMs = Math.min(span.toMs, atMs);
          for (const ending of endings) if (ending.node === action.node) ending.untilMs = Math.min(ending.untilMs, atMs);
          break;
        }
        case 'pause':
          this.#spansOf(this.#paused, action.node).push({ fromMs: atMs, toMs: atMs + action.forMs });
          break;
        case 'partition':
          if (partition) partition.toMs = atMs;
          partition = { fromMs: atMs, toMs: Infinity, separates: (a, b) => !action.groups.some((group) => group.includes(a) && group.includes(b)) };
          this.#cuts.push(partition);
          open.push(partition);
          break;
        case 'block': {
          const cut = { fromMs: atMs, toMs: Infinity, separates: (from: string, to: string) => isIn(from, action.from) && isIn(to, action.to) };
          this.#cuts.push(cut);
          open.push(cut);
          break;
        }
        case 'disturb': {
          if (!isHarsh(action.link)) break;
          const disturbance = { fromMs: atMs, toMs: Infinity, touches: (name: string) => isOfLinks(name, action.from, action.to) };
          this.#disturbed.push(disturbance);
          open.push(disturbance);
          break;
        }
        case 'heal':
          for (const span of open) span.toMs = Math.min(span.toMs, atMs);
          open = [];
          partition = undefined;
          break;
        default:
          break;
      }
    }
    this.endings = endings;
  }

  isDown(node: string, atMs: number): boolean {
    return within(this.#down.get(node), atMs, atMs);
  }

  /** Whether, at some moment of that time, it was down, frozen or on bad links itself. */
  isTroubled(node: string, fromMs: number, toMs: number): boolean {
    return within(this.#down.get(node), fromMs, toMs) || within(this.#paused.get(node), fromMs, toMs) || this.#disturbed.some((span) => overlaps(span, fromMs, toMs) && span.touches(node));
  }

  /** Whether, at some moment of that time, nothing passed from one to the other in some direction. */
  isCut(a: string, b: string, fromMs: number, toMs: number): boolean {
    return this.#cuts.some((cut) => overlaps(cut, fromMs, toMs) && (cut.separates(a, b) || cut.separates(b, a)));
  }

  #spansOf(map: Map<string, Span[]>, node: string): Span[] {
    const spans = map.get(node) ?? [];
    map.set(node, spans);
    return spans;
  }
}

/** What a healthy protocol takes without a word: few lost, doubled or overtaken datagrams. */
const lossTaken = 0.05;

function isHarsh({ loss = 0, duplicate: _duplicate, reorder: _reorder, reorderMsMax: _reorderMsMax, ...rest }: LinkOptions): boolean {
  return loss > lossTaken || Object.keys(rest).length > 0;
}

/** Links from all to one are the trouble of that one. */
const isOfLinks = (name: string, from: string, to: string): boolean => (from === '*' && to === '*') || name === from || name === to;
const matches = (name: string, pattern: string): boolean => pattern === '*' || pattern === name;
const isIn = (name: string, patterns: readonly string[]): boolean => patterns.some((pattern) => matches(name, pattern));
const overlaps = (span: Span, fromMs: number, toMs: number): boolean => span.fromMs <= toMs && span.toMs > fromMs;
const within = (spans: readonly Span[] | undefined, fromMs: number, toMs: number): boolean => spans?.some((span) => overlaps(span, fromMs, toMs)) ?? false;

/** Actions that are faults; the others make things right again. */
export function countFaults(schedule: readonly FaultAction[]): number {
  return schedule.filter(({ kind }) => kind !== 'heal' && kind !== 'restart').length;
}
