import { EngramError, type SpaceId } from '@engram/kernel';
import { checkCue, checkRecallOptions, type Cue, type RecallHit, type RecallOptions, type SpaceIndex } from '../core/index.js';

export type SpaceHit = RecallHit & { readonly space: SpaceId };

/** Asks every space and keeps the best: score descending, confidence descending, space ascending, id ascending. */
export function recallSpaces(
  asked: readonly { readonly space: SpaceId; readonly index: SpaceIndex }[],
  cue: Cue,
  options: RecallOptions,
): SpaceHit[] {
  // Checked here as well, so that a bad cue is refused alike whether or not the spaces it names exist.
  checkCue(cue);
  checkRecallOptions(options);
  const cues = cuesByDimension(asked.map(({ index }) => index), cue);
  const hits = asked.flatMap(({ space, index }) => {
    const own = cues(index);
    return own === undefined ? [] : index.recall(own, options).hits.map((hit) => ({ ...hit, space }));
  });
  return hits.sort(byRank).slice(0, options.limit);
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
