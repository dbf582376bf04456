import type { MemoryId } from '@engram/kernel';
import type { PendingRecord } from './overlay.js';

interface StoredRecord {
  readonly id: MemoryId;
  readonly bytes: Uint8Array;
}

/**
 * Walks pending and stored records as one, by id ascending. Both sides come sorted; where they meet the pending record
 * stands, and a pending tombstone hides what is stored.
 */
export function* mergeById(
  pending: readonly (readonly [MemoryId, PendingRecord])[],
  stored: Iterable<StoredRecord>,
): Iterable<StoredRecord> {
  let i = 0;
  for (const record of stored) {
    for (; i < pending.length && pending[i]![0] < record.id; i++) yield* readable(pending[i]!);
    if (i < pending.length && pending[i]![0] === record.id) yield* readable(pending[i++]!);
    else yield record;
  }
  for (; i < pending.length; i++) yield* readable(pending[i]!);
}

function readable([id, record]: readonly [MemoryId, PendingRecord]): StoredRecord[] {
  return record.kind === 'memory' ? [{ id, bytes: record.bytes }] : [];
}
