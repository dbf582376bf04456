/** What a recall says when it could not see everything: `confidence × (1 − 0.5 × missing)`, missing being a share of the memories. */
import type { MissingPart, RecallAnswer } from '../engine/index.js';

/**
 * Lowers the confidence of an answer of which more is missing than it says itself.
 *
 * @param share In [0,1]: of what was asked, how much was not asked here. What the answer already lacks is a share of the rest.
 */
export function lowered(answer: RecallAnswer, share: number, missing: readonly MissingPart[]): RecallAnswer {
  const raw = answer.penalty < 1 ? answer.confidence / (1 - answer.penalty) : 0;
  const penalty = 0.5 * (share + (1 - share) * 2 * answer.penalty);
  return { ...answer, confidence: Math.min(1, raw * (1 - penalty)), penalty, partial: true, missing: [...answer.missing, ...missing] };
}

/**
 * Of a copy that answers in the place of its primary: the share of the memories that it may not have. One at least, as
 * nobody can say that the primary has not taken one more.
 *
 * @param memories How many the copy has.
 * @param lacking How many entries the copy knows that it lacks; undefined when it does not know.
 */
export function shareLacking(memories: number, lacking: number | undefined): number {
  const weight = Math.max(1, lacking ?? 1);
  return weight / (memories + weight);
}

export const nothingRecalled: RecallAnswer = { memories: [], confidence: 0, partial: false, missing: [], penalty: 0, tookMs: 0 };
