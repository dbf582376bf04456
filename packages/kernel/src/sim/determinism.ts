import { assert } from '../assert.js';
import type { RunRecord } from './run-record.js';
import type { SimWorld, SimWorldOptions } from './sim-world.js';

/** The first draw that differs: which one of which stream, when, and the words drawn; undefined where one run drew no more. */
export interface DrawDifference {
  readonly stream: string;
  /** 0 is the first draw of the stream. */
  readonly index: number;
  readonly atMs: number;
  readonly first: number | undefined;
  readonly second: number | undefined;
}

/** The first event after which the trace hashes differ; 1 is the first event. Times are undefined where one run had ended. */
export interface EventDifference {
  readonly event: number;
  readonly firstAtMs: number | undefined;
  readonly secondAtMs: number | undefined;
}

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

/**
 * Runs a scenario twice with one seed and holds the runs against each other, draw by draw and event by event. The
 * scenario builds a world from the options given, adding its own, runs it and returns it. What differs points at
 * something that does not come from the seed: a shared counter, an order of a `Map` filled elsewhere, the real clock.
 */
export function checkDeterminism(seed: number | bigint | string, scenario: (options: Pick<SimWorldOptions, 'seed' | 'record'>) => SimWorld): DeterminismReport {
  const [first, second] = [recorded(seed, scenario), recorded(seed, scenario)];
  const hashes = [first.world.hash(), second.world.hash()] as const;
  const drawsAgree = sameDraws(first.record, second.record);
  if (hashes[0] === hashes[1] && drawsAgree && first.world.events === second.world.events) {
    return { same: true, hash: hashes[0], events: first.world.events, draws: first.record.draws, streams: first.record.tapes.size };
  }
  const draw = firstDrawDifference(first.record, second.record);
  const event = firstEventDifference(first.record, second.record);
  return {
    same: false,
    hashes,
    ...(draw === undefined ? {} : { draw }),
    ...(event === undefined ? {} : { event }),
    summary: summaryOf(String(seed), draw, event),
  };
}

function recorded(seed: SimWorldOptions['seed'], scenario: (options: Pick<SimWorldOptions, 'seed' | 'record'>) => SimWorld): { world: SimWorld; record: RunRecord } {
  const world = scenario({ seed, record: true });
  assert(world.record !== undefined, 'the scenario must hand the options it is given on to its world');
  return { world, record: world.record };
}

function sameDraws(first: RunRecord, second: RunRecord): boolean {
  if (first.tapes.size !== second.tapes.size) return false;
  for (const [name, tape] of first.tapes) {
    const other = second.tapes.get(name);
    if (other === undefined || other.count !== tape.count || other.hash.digest() !== tape.hash.digest()) return false;
  }
  return true;
}

/** First in the order in which the draws were made, over all streams. */
function firstDrawDifference(first: RunRecord, second: RunRecord): DrawDifference | undefined {
  let earliest: { order: number; difference: DrawDifference } | undefined;
  for (const stream of new Set([...first.tapes.keys(), ...second.tapes.keys()])) {
    const [a, b] = [first.tapes.get(stream)?.notes ?? [], second.tapes.get(stream)?.notes ?? []];
    let index = 0;
    while (index < a.length && index < b.length && a[index]?.word === b[index]?.word) index++;
    const [noteA, noteB] = [a[index], b[index]];
    const note = noteA ?? noteB;
    if (note === undefined) continue;
    const order = Math.min(noteA?.order ?? Infinity, noteB?.order ?? Infinity);
    if (earliest !== undefined && earliest.order <= order) continue;
    earliest = { order, difference: { stream, index, atMs: note.atUs / 1_000, first: noteA?.word, second: noteB?.word } };
  }
  return earliest?.difference;
}

function firstEventDifference(first: RunRecord, second: RunRecord): EventDifference | undefined {
  const [a, b] = [first.events, second.events];
  let index = 0;
  while (index < a.length && index < b.length && a[index]?.hash === b[index]?.hash) index++;
  const [eventA, eventB] = [a[index], b[index]];
  if (eventA === undefined && eventB === undefined) return undefined;
  const ms = (atUs: number | undefined): number | undefined => (atUs === undefined ? undefined : atUs / 1_000);
  return { event: index + 1, firstAtMs: ms(eventA?.atUs), secondAtMs: ms(eventB?.atUs) };
}

function summaryOf(seed: string, draw: DrawDifference | undefined, event: EventDifference | undefined): string {
  const drawn = draw === undefined ? 'no draw differs' : `draw ${draw.index} of ${draw.stream} differs at ${draw.atMs} ms (${draw.first ?? 'none'} and ${draw.second ?? 'none'})`;
  const happened = event === undefined ? 'no event differs' : `event ${event.event} differs at ${event.firstAtMs ?? event.secondAtMs} ms`;
  return `seed ${seed} gave two different runs: ${drawn}; ${happened}`;
}
