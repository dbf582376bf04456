import { EngramError } from '@engram/kernel';
import type { FaultAction } from '@engram/kernel/sim';
import { timesOf, type Plan } from './plan.js';
import { runPlan, type RunReport } from './run-plan.js';

export interface ShrinkOptions {
  /** The checker that must go on failing. @default the first that fails */
  readonly checker?: string;
  /** Runs at most. @default 300 */
  readonly attempts?: number;
  /** Hears of every attempt. */
  readonly onAttempt?: (attempt: ShrinkAttempt) => void;
}

export interface ShrinkAttempt {
  readonly attempt: number;
  /** Whether what was tried still fails; then it is what is tried further. */
  readonly kept: boolean;
  /** The smallest plan so far. */
  readonly smallest: Plan;
}

export interface Shrunk {
  readonly checker: string;
  readonly report: RunReport;
  readonly attempts: number;
  /** False when the attempts ran out: it may get smaller still. */
  readonly finished: boolean;
}

const attemptsDefault = 300;

/**
 * Makes a failing plan smaller while the same checker goes on failing: fewer faults, fewer nodes, no loss that is not
 * needed, shorter pauses, rounder times. Throws `invalid_argument` when the plan does not fail.
 */
export function shrink(plan: Plan, options: ShrinkOptions = {}): Shrunk {
  const { report } = runPlan(plan);
  const failing = report.checks.filter(({ violations }) => violations.length > 0).map(({ checker }) => checker);
  const checker = options.checker ?? failing[0];
  if (checker === undefined || !failing.includes(checker)) {
    const what = failing.length === 0 ? 'no checker fails in this run' : `${checker} does not fail in this run; ${failing.join(', ')} does`;
    throw new EngramError('invalid_argument', `there is nothing to shrink: ${what}`, { hint: 'Give a file that `netsim run --save` has written of a run that failed.' });
  }
  return new Shrinker(report, checker, options).shrink();
}

/** Raised within to stop wherever it is. */
const outOfAttempts = Symbol('out of attempts');

class Shrinker {
  readonly #checker: string;
  readonly #attemptsMax: number;
  readonly #onAttempt: NonNullable<ShrinkOptions['onAttempt']>;
  #smallest: RunReport;
  #attempts = 0;

  constructor(report: RunReport, checker: string, { attempts = attemptsDefault, onAttempt = () => undefined }: ShrinkOptions) {
    this.#smallest = report;
    this.#checker = checker;
    this.#attemptsMax = attempts;
    this.#onAttempt = onAttempt;
  }

  shrink(): Shrunk {
    let finished = true;
    try {
      // What one pass took away may be what kept another from taking more, so it ends when a whole round changes nothing.
      while (this.#round());
    } catch (error) {
      if (error !== outOfAttempts) throw error;
      finished = false;
    }
    return { checker: this.#checker, report: this.#smallest, attempts: this.#attempts, finished };
  }

  get #plan(): Plan {
    return this.#smallest.plan;
  }

  #round(): boolean {
    const before = this.#smallest;
    this.#fewer(() => faultsOf(this.#plan), (faults) => withFaults(this.#plan, faults));
    this.#fewer(() => this.#plan.names, (names) => (names.length < 2 ? undefined : withNames(this.#plan, names)));
    if (Object.keys(this.#plan.link).length > 0) this.#try({ ...this.#plan, link: {} });
    for (let i = 0; i < this.#plan.schedule.length; i++) this.#simplerAction(i);
    return this.#smallest !== before;
  }

  /**
   * Delta debugging by complements (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002):
   * leaves out halves, then quarters, and so on down to single items.
   */
  #fewer<T>(itemsOf: () => readonly T[], planWith: (items: readonly T[]) => Plan | undefined): void {
    for (let parts = 2; ; ) {
      const items = itemsOf();
      const size = Math.ceil(items.length / parts);
      if (items.length === 0) return;
      let from = 0;
      while (from < itemsOf().length) {
        const now = itemsOf();
        const plan = planWith(now.filter((_, i) => i < from || i >= from + size));
        if (!plan || !this.#try(plan)) from += size;
      }
      if (size <= 1) return;
      parts *= 2;
    }
  }

  #simplerAction(at: number): void {
    const action = this.#plan.schedule[at] as FaultAction;
    if (action.kind === 'pause') {
      for (const forMs of [1_000, Math.ceil(action.forMs / 2_000) * 1_000]) {
        if (forMs < action.forMs && this.#tryAction(at, { ...action, forMs })) break;
      }
    }
    for (const grainMs of [10_000, 1_000]) {
      const { atMs } = this.#plan.schedule[at] as FaultAction;
      if (atMs % grainMs !== 0 && this.#tryAction(at, { ...(this.#plan.schedule[at] as FaultAction), atMs: Math.floor(atMs / grainMs) * grainMs })) return;
    }
  }

  #tryAction(at: number, action: FaultAction): boolean {
    const schedule = this.#plan.schedule.with(at, action);
    // Actions trade no places: the order of two faults is often what it is about.
    if (schedule.some(({ atMs }, i) => i > 0 && atMs < (schedule[i - 1] as FaultAction).atMs)) return false;
    return this.#try(withSchedule(this.#plan, schedule));
  }

  #try(plan: Plan): boolean {
    if (this.#attempts >= this.#attemptsMax) throw outOfAttempts;
    this.#attempts++;
    const { report } = runPlan(plan);
    const kept = report.checks.some(({ checker, violations }) => checker === this.#checker && violations.length > 0);
    if (kept) this.#smallest = report;
    this.#onAttempt({ attempt: this.#attempts, kept, smallest: this.#plan });
    return kept;
  }
}

/** What makes things right again. The first start of a spare is none: nothing was wrong before it. */
const isRemedy = (action: FaultAction, spares: readonly string[]): boolean => action.kind === 'heal' || (action.kind === 'restart' && !spares.includes(action.node));

function faultsOf({ schedule, spares }: Plan): readonly FaultAction[] {
  return schedule.filter((action) => !isRemedy(action, spares));
}

/**
 * The plan with these of its faults. What makes things right again stays as long as there is something for it to undo:
 * without the end of a partition any view stays wrong, which would be another failure and no smaller one.
 */
function withFaults(plan: Plan, faults: readonly FaultAction[]): Plan {
  const kept = new Set(faults);
  const down = new Set<string>();
  let isNetworkBad = false;
  const schedule = plan.schedule.filter((action) => {
    if (isRemedy(action, plan.spares)) {
      const undoes = action.kind === 'restart' ? down.delete(action.node) : isNetworkBad;
      if (action.kind === 'heal') isNetworkBad = false;
      return undoes;
    }
    if (!kept.has(action)) return false;
    if (action.kind === 'kill' || action.kind === 'stop') down.add(action.node);
    isNetworkBad ||= action.kind === 'partition' || action.kind === 'block' || action.kind === 'disturb';
    return true;
  });
  return withSchedule(plan, schedule);
}

/** The plan without the other nodes, and without what would happen to them. Spares stay. */
function withNames(plan: Plan, names: readonly string[]): Plan {
  const gone = new Set(plan.names.filter((name) => !names.includes(name)));
  const stays = (name: string): boolean => !gone.has(name);
  const schedule = plan.schedule.flatMap((action): FaultAction[] => {
    switch (action.kind) {
      case 'partition':    return [{ ...action, groups: action.groups.map((group) => group.filter(stays)) }];
      case 'block':        return [{ ...action, from: action.from.filter(stays), to: action.to.filter(stays) }];
      case 'disturb':      return stays(action.from) && stays(action.to) ? [action] : [];
      case 'move-address': return stays(action.to) ? [action] : [];
      case 'heal':         return [action];
      default:             return stays(action.node) ? [action] : [];
    }
  });
  return withSchedule({ ...plan, names }, schedule);
}

function withSchedule(plan: Plan, schedule: readonly FaultAction[]): Plan {
  return { ...plan, schedule, ...timesOf(schedule, plan.preset) };
}
