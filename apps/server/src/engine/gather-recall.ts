import type { NodeId, SpaceId } from '@engram/kernel';
import type { Cue, Memory, MemoryStore, ScoreParts } from '@engram/memory';

export interface RecallRequest {
  readonly spaces: readonly SpaceId[] | '*';
  readonly cue: Cue;
  /** 1 to 1000. */
  readonly limit: number;
  /** In [0,1]. */
  readonly minConfidence?: number;
  readonly explain?: boolean;
  /** How long the recall may take. A space that is not reached in time is reported as missing. @default the engine's `recallTimeoutMs` */
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
  /** The space, when one was asked for. */
  readonly space?: SpaceId;
  readonly partition: number;
  /** The node that could not be asked, when one would have been. */
  readonly node?: NodeId | undefined;
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
 * Recalls from each space while there is time. When time runs out, the answer says what it did not see and its
 * confidence is lowered: `confidence × (1 − 0.5 × missing)`, missing being a share of the memories.
 */
export function gatherRecall(store: MemoryStore, spaces: readonly SpaceId[], request: RecallRequest & { readonly timeoutMs: number }, partitionOf: (space: SpaceId) => number, nowMs: () => number): RecallAnswer {
  const { cue, limit, minConfidence, explain, timeoutMs } = request;
  const started = nowMs();
  const { hits, confidence, missed } = store.recall(
    spaces,
    cue,
    {
      limit,
      ...(minConfidence === undefined ? {} : { minConfidence }),
      ...(explain === undefined ? {} : { explain }),
    },
    () => nowMs() - started < timeoutMs,
  );
  const penalty = missed.length === 0 ? 0 : 0.5 * (weightOf(store, missed) / weightOf(store, spaces));
  return {
    memories: hits,
    confidence: confidence * (1 - penalty),
    partial: missed.length > 0,
    missing: missed.map((space) => ({ space, partition: partitionOf(space), reason: `not asked within ${timeoutMs} ms` })),
    penalty,
    tookMs: nowMs() - started,
  };
}

/** How many memories the spaces hold; empty ones count as one, so that a share of them is a number. */
function weightOf(store: MemoryStore, spaces: readonly SpaceId[]): number {
  return spaces.reduce((sum, space) => sum + Math.max(1, store.space(space)?.memories ?? 0), 0);
}
