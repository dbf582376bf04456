import type { Lsn } from './lsn.js';

/** What retention needs to know about a segment. `lastLsn` is `firstLsn − 1` while the segment is empty. */
export interface SegmentSummary {
  readonly firstLsn: Lsn;
  readonly lastLsn: Lsn;
  /** Header and durable frames. */
  readonly bytes: number;
}

/**
 * The segments that may be deleted, oldest first and without a hole, so that what remains is always contiguous: those
 * wholly covered by the checkpoint `applied`, as long as at least `retainBytes` of log stay. The newest always stays.
 */
export function deletableSegments(segments: readonly SegmentSummary[], applied: Lsn, retainBytes: number): readonly SegmentSummary[] {
  let remaining = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  const deletable: SegmentSummary[] = [];
  for (const segment of segments.slice(0, -1)) {
    remaining -= segment.bytes;
    if (segment.lastLsn > applied || remaining < retainBytes) break;
    deletable.push(segment);
  }
  return deletable;
}
