import { assert } from '../assert.js';
import type { DrawNote, EventNote, RunRecord } from './run-record.js';
import type { SimWorld, SimWorldOptions } from './sim-world.js';

/** The first place, over the draws of all streams in order, where the two runs part. Undefined where a run drew no more. */
export interface DrawDifference {
  readonly first: DrawNote | undefined;
  readonly second: DrawNote | undefined;
}

/** The first event after which the trace hashes differ; 1 is the first event. Undefined where a run had ended. */
export interface EventDifference {
  readonly event: number;
  readonly first: EventNote | undefined;
  readonly second: EventNote | undefined;
}

/** Whether two runs of one seed were the same run, and where they parted. */
export type DeterminismReport =
  | { readonly same: true; readonly hash: string; readonly events: number; readonly draws: number; readonly streams: number }
  | {
      readonly same: false;
      readonly hashes: readonly [string, string];
      /** Absent when all draws kept one by one agree. */
      readonly draw?: DrawDifference;
      /** Absent when the trace hashes agree, or differ only beyond what was kept one by one. */
      readonly event?: EventDifference;
      /** One sentence for a person. */
      readonly summary: string;
    };

/** Builds a world from the options given, adding its own, runs it and returns it. */
export type Scenario = (options: Pick<SimWorldOptions, 'seed' | 'record'>) => SimWorld;

/**
 * Runs a scenario twice with one seed and holds the runs against each other, draw by draw and event by event. What
 * differs points at something that does not come from the seed: a shared counter, an order of a `Map` that was filled
 * elsewhere, the real clock.
 */
export function checkDeterminism(seed: number | bigint | string, scenario: Scenario): DeterminismReport {
  const [first, second] = [recorded(seed, scenario), recorded(seed, scenario)];
  const hashes = [first.world.hash(), second.world.hash()] as const;
  const drawsAgree = first.record.drawn === second.record.drawn && first.record.drawHash === second.record.drawHash;
  if (hashes[0] === hashes[1] && drawsAgree && first.world.events === second.world.events) {
    const { record, world } = first;
    return { same: true, hash: hashes[0], events: world.events, draws: record.drawn, streams: record.counts().size };
  }
  const draw = firstDrawDifference(first.record.draws, second.record.draws);
  const event = firstEventDifference(first.record.events, second.record.events);
  return {
    same: false,
    hashes,
    ...(draw === undefined ? {} : { draw }),
    ...(event === undefined ? {} : { event }),
    summary: `seed ${seed} gave two different runs: ${drawSummary(draw)}; ${eventSummary(event)}`,
  };
}

function recorded(seed: SimWorldOptions['seed'], scenario: Scenario): { world: SimWorld; record: RunRecord } {
  const world = scenario({ seed, record: true });
  assert(world.record !== undefined, 'the scenario must hand the options it is given on to its world');
  return { world, record: world.record };
}

function firstDrawDifference(first: readonly DrawNote[], second: readonly DrawNote[]): DrawDifference | undefined {
  const at = firstDifference(first, second, (a, b) => a.stream === b.stream && a.atUs === b.atUs && a.word === b.word);
  return at === undefined ? undefined : { first: first[at], second: second[at] };
}

function firstEventDifference(first: readonly EventNote[], second: readonly EventNote[]): EventDifference | undefined {
  const at = firstDifference(first, second, (a, b) => a.hash === b.hash);
  return at === undefined ? undefined : { event: at + 1, first: first[at], second: second[at] };
}

function firstDifference<T>(first: readonly T[], second: readonly T[], same: (a: T, b: T) => boolean): number | undefined {
  const length = Math.max(first.length, second.length);
  for (let at = 0; at < length; at++) {
    const [a, b] = [first[at], second[at]];
    if (a === undefined || b === undefined || !same(a, b)) return at;
  }
  return undefined;
}

function drawSummary(draw: DrawDifference | undefined): string {
  if (draw === undefined) return 'no draw differs';
  const told = (note: DrawNote | undefined): string => (note === undefined ? 'none' : `draw ${note.index} of ${note.stream} at ${note.atUs / 1_000} ms`);
  return `the first drew ${told(draw.first)} where the second drew ${told(draw.second)}`;
}

function eventSummary(event: EventDifference | undefined): string {
  if (event === undefined) return 'no event differs';
  const told = (note: EventNote | undefined): string => (note === undefined ? 'not at all' : `at ${note.atUs / 1_000} ms`);
  return `event ${event.event} differs, ${told(event.first)} and ${told(event.second)}`;
}
