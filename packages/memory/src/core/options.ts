/** How a recall weighs its evidence. */
export interface RecallTuning {
  /** Term-frequency saturation of BM25. @default 1.2 */
  readonly k1?: number;
}

export function resolveRecallTuning(tuning: RecallTuning = {}): Required<RecallTuning> {
  return { k1: 1.2, ...tuning };
}
