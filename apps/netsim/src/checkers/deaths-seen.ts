import { paceOf } from '../scenario.js';
import type { Truth, Ending } from '../truth.js';
import type { Checker, Setting } from './checker.js';

/** A process that was killed, and when each healthy observer first held it for dead. */
export interface SeenDeath {
  readonly ending: Ending;
  /** Observers that were well from the death to the end of the time allowed. */
  readonly observers: readonly string[];
  readonly seenAtMs: ReadonlyMap<string, number>;
}

/** By then everybody must have noticed: the longest suspicion of a large cluster, a round of probes, and some. */
export function noticeMsMax({ plan }: Setting): number {
  return 12_000 * paceOf[plan.preset];
}

/**
 * Gathers, for the checkers of detection and of dissemination, when deaths were noticed. Processes that were started
 * again before everybody had to have noticed are left out.
 */
export class DeathWatch {
  readonly #setting: Setting;
  readonly #seen = new Map<Ending, Map<string, number>>();

  constructor(setting: Setting) {
    this.#setting = setting;
    const withinMs = noticeMsMax(setting);
    for (const ending of setting.truth.endings) {
      const lasts = ending.untilMs >= ending.atMs + withinMs && setting.plan.endMs >= ending.atMs + withinMs;
      if (ending.how === 'kill' && lasts) this.#seen.set(ending, new Map());
    }
  }

  readonly see: NonNullable<Checker['see']> = ({ atMs, node, effect }) => {
    if (effect.kind !== 'member-dead') return;
    for (const [ending, seen] of this.#seen) {
      if (ending.node === (effect.member.id as string) && atMs >= ending.atMs && atMs < ending.untilMs && !seen.has(node)) seen.set(node, atMs);
    }
  };

  deaths(): readonly SeenDeath[] {
    return [...this.#seen].map(([ending, seenAtMs]) => ({ ending, seenAtMs, observers: observersOf(ending, this.#setting) }));
  }
}

function observersOf(ending: Ending, setting: Setting): readonly string[] {
  const { plan, truth } = setting;
  const untilMs = ending.atMs + noticeMsMax(setting);
  const clusterOf = (name: string): string => plan.clusterOf[name] ?? 'test';
  return plan.names.filter((name) => name !== ending.node && clusterOf(name) === clusterOf(ending.node) && isWell(truth, name, ending, untilMs));
}

function isWell(truth: Truth, name: string, { node, atMs }: Ending, untilMs: number): boolean {
  return !truth.isTroubled(name, atMs, untilMs) && !truth.isCut(name, node, atMs, untilMs);
}
