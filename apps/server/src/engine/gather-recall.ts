import type { SpaceId } from '@engram/kernel';
import type { Cue, Memory, MemoryStore, ScoreParts } from '@engram/memory';

export interface RecallRequest {
  readonly spaces: readonly SpaceId[] | '*';
  readonly cue: Cue;
  /** 1 to 1000. */
  readonly limit: number;
  /** In [0,1]. */
  readonly minConfidence?: number;
  readonly explain?: boolean;
  /** How long the recall may take. A space that is not reached in time is reported as missing. @default 5000 */
  readonly timeoutMs?: number;
}

export interface RecalledMemory {
  readonly memory: Memory;
  readonly score: number;
  readonly confidence: number;
  readonly parts?: ScoreParts;
}

/** What a recall could not see. */
export interface MissingPart {
  readonly space: SpaceId;
  readonly reason: string;
}

export interface RecallAnswer {
  /** In total order: score descending, confidence descending, space ascending, id ascending. */
  readonly memories: readonly RecalledMemory[];
  /** In [0,1]: the best hit's confidence, less the penalty. */
  readonly confidence: number;
  readonly partial: boolean;
  readonly missing: readonly MissingPart[];
  /** Half the share of memories that could not be asked. */
  readonly penalty: number;
  readonly tookMs: number;
}

/**
 * Recalls from each space in turn and merges the answers. When time runs out, the answer says what it did not see and
 * its confidence is lowered: `confidence × (1 − 0.5 × missing)`, missing by number of memories.
 */
export function gatherRecall(store: MemoryStore, spaces: readonly SpaceId[], request: RecallRequest, nowMs: () => number): RecallAnswer {
  const { cue, limit, minConfidence, explain, timeoutMs = 5_000 } = request;
  const options = {
    limit,
    ...(minConfidence === undefined ? {} : { minConfidence }),
    ...(explain === undefined ? {} : { explain }),
  };
  const started = nowMs();
  const hits: RecalledMemory[] = [];
  const missing: MissingPart[] = [];
  let confidence = 0;
  let weightAsked = 0;
  let weightMissing = 0;
  for (const space of spaces) {
    const weight = store.space(space)?.memories ?? 0;
    weightAsked += weight;
    if (nowMs() - started >= timeoutMs) {
      weightMissing += weight;
      missing.push({ space, reason: `not asked within ${timeoutMs} ms` });
      continue;
    }
    const answer = store.recall([space], cue, options);
    hits.push(...answer.hits);
    confidence = Math.max(confidence, answer.confidence);
  }
  if (spaces.length > 1) hits.sort(inTotalOrder);
  const penalty = weightAsked === 0 ? 0 : 0.5 * (weightMissing / weightAsked);
  return {
    memories: hits.slice(0, limit),
    confidence: confidence * (1 - penalty),
    partial: missing.length > 0,
    missing,
    penalty,
    tookMs: nowMs() - started,
  };
}

function inTotalOrder(a: RecalledMemory, b: RecalledMemory): number {
  return (
    b.score - a.score ||
    b.confidence - a.confidence ||
    compare(a.memory.space, b.memory.space) ||
    compare(a.memory.id, b.memory.id)
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
