import { EngramError, type SpaceId } from '@engram/kernel';
import { checkCue, checkRecallOptions, withoutEmptyText, type Cue, type RecallHit, type RecallOptions, type SpaceIndex } from '../core/index.js';

export type SpaceHit = RecallHit & { readonly space: SpaceId };

export interface SpacesRecall {
  /** Score descending, confidence descending, space ascending, id ascending. */
  readonly hits: readonly SpaceHit[];
  /** Spaces that time did not suffice for, in the order they were asked. */
  readonly missed: readonly SpaceId[];
}

/** Asks one space after the other while there is time, and keeps the best hits of all. */
export function recallSpaces(
  asked: readonly { readonly space: SpaceId; readonly index: SpaceIndex }[],
  given: Cue,
  options: RecallOptions,
  inTime: () => boolean,
): SpacesRecall {
  // Checked here as well, so that a bad cue is refused alike whether or not the spaces it names exist.
  checkCue(given);
  checkRecallOptions(options);
  const cue = withoutEmptyText(given);
  const cues = cuesByDimension(asked.map(({ index }) => index), cue);
  const missed: SpaceId[] = [];
  let hits: SpaceHit[] = [];
  for (const { space, index } of asked) {
    if (!inTime()) {
      missed.push(space);
      continue;
    }
    const own = cues(index);
    if (own === undefined) continue;
    for (const hit of index.recall(own, options).hits) hits.push({ ...hit, space });
    // Over very many spaces only the best so far are worth keeping.
    if (hits.length > 8 * options.limit) hits = best(hits, options.limit);
  }
  return { hits: best(hits, options.limit), missed };
}

function best(hits: SpaceHit[], limit: number): SpaceHit[] {
  return hits.sort(byRank).slice(0, limit);
}

/**
 * A vector can only be compared with vectors of its dimension. When some asked space has it, the others are asked with
 * the rest of the cue, or not at all when there is no rest; when none has it, the caller took the wrong model.
 */
function cuesByDimension(indexes: readonly SpaceIndex[], cue: Cue): (index: SpaceIndex) => Cue | undefined {
  const { embedding, ...rest } = cue;
  const fits = (index: SpaceIndex) => embedding === undefined || index.dimension === undefined || index.dimension === embedding.length;
  const misfit = indexes.find((index) => !fits(index));
  if (misfit === undefined) return () => cue;
  if (!indexes.some((index) => index.dimension === embedding?.length)) {
    throw new EngramError('embedding_dimension_mismatch', `embedding has ${embedding?.length} dimensions; the space asked holds embeddings of ${misfit.dimension}`, {
      details: { expected: misfit.dimension, actual: embedding?.length },
    });
  }
  const wordless = rest.text === undefined;
  return (index) => (fits(index) ? cue : wordless ? undefined : rest);
}

function byRank(a: SpaceHit, b: SpaceHit): number {
  return b.score - a.score || b.confidence - a.confidence || compare(a.space, b.space) || compare(a.id, b.id);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
