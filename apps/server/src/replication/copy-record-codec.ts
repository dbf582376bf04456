import { EngramError } from '@engram/kernel';
import { lsn } from '@engram/replication';
import type { CopyRecord } from '@engram/replication/core';

/**
 * A copy record as the text of one array of whole numbers, version first. Every frame of the file it goes to has a
 * checksum, so what is checked here is only whether this release can read it.
 *
 * ```text
 * [1, partition, promised, seq, lsn, [[epoch, firstSeq] …], [[epoch, from, to, originalEpoch, originalSeq, lsn] …], [[epoch, from, to, at] …]]
 * ```
 */
const version = 1;

export function encodeCopyRecord({ partition, promised, seq, lsn: at, lineage, setAside, takenUp }: CopyRecord): Uint8Array {
  return Buffer.from(
    JSON.stringify([
      version, partition, promised, seq, at,
      lineage.map(({ epoch, firstSeq }) => [epoch, firstSeq]),
      setAside.map(({ epoch, from, to, original, lsn: first }) => [epoch, from, to, original.epoch, original.seq, first]),
      takenUp.map(({ epoch, from, to, at: place }) => [epoch, from, to, place]),
    ]),
  );
}

/** @param name What the record is called where it is kept. @throws EngramError `store_damaged` naming it */
export function decodeCopyRecord(bytes: Uint8Array, name: string): CopyRecord {
  const fields = parsed(bytes, name);
  if (fields[0] !== version) throw damaged(name, `is in version ${String(fields[0])}; this release reads version ${version}`);
  const [, partition, promised, seq, at, lineage, setAside, takenUp] = fields;
  const number = (value: unknown): number => {
    if (!Number.isSafeInteger(value) || (value as number) < 0) throw damaged(name, 'has a field that should be a whole number');
    return value as number;
  };
  const rows = (value: unknown, width: number): number[][] => {
    if (!Array.isArray(value)) throw damaged(name, 'has a field that should be a list');
    return value.map((row: unknown) => {
      if (!Array.isArray(row) || row.length !== width) throw damaged(name, `has a row that is not ${width} numbers`);
      return row.map(number);
    });
  };
  return {
    partition: number(partition),
    promised: number(promised),
    seq: number(seq),
    lsn: lsn(number(at)),
    lineage: rows(lineage, 2).map(([epoch, firstSeq]) => ({ epoch: epoch!, firstSeq: firstSeq! })),
    setAside: rows(setAside, 6).map(([epoch, from, to, originalEpoch, originalSeq, first]) => ({
      epoch: epoch!, from: from!, to: to!, original: { epoch: originalEpoch!, seq: originalSeq! }, lsn: lsn(first!),
    })),
    takenUp: rows(takenUp, 4).map(([epoch, from, to, place]) => ({ epoch: epoch!, from: from!, to: to!, at: place! })),
  };
}

function parsed(bytes: Uint8Array, name: string): readonly unknown[] {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
  } catch (cause) {
    throw damaged(name, 'cannot be decoded', cause);
  }
  if (!Array.isArray(value)) throw damaged(name, 'is not a list of fields');
  return value;
}

export function damaged(name: string, complaint: string, cause?: unknown): EngramError {
  return new EngramError('store_damaged', `${name} ${complaint}`, { hint: rebuildHint, ...(cause === undefined ? {} : { cause }), details: { record: name } });
}

/** A copy that forgot a promise must not pass for the one that made it; with a new storage id it does not. */
export const rebuildHint =
  'Move the data directory away and start the node with an empty one, under the same node id: it comes back under a new storage id, counts for nothing until the others have given it its copies again, and lacks nothing that they have. What only it had can be exported from what was moved away: docs/operations/lost-disk.md.';
