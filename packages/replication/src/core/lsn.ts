import { assert } from '@engram/kernel';

declare const lsnBrand: unique symbol;

/**
 * The position of an entry in this node's log: 1, 2, 3 … It is never reused once an entry was acknowledged at it.
 * `lsn(0)` stands before the first entry, so "everything up to and including" can be empty.
 */
export type Lsn = number & { readonly [lsnBrand]: 'Lsn' };

/** Brands a position. Throws `assertion_failed` for anything but a safe integer from 0 on. */
export function lsn(position: number): Lsn {
  assert(Number.isSafeInteger(position) && position >= 0, 'a log position is a whole number from 0 on', { position });
  return position as Lsn;
}

/** The position that many entries further on. */
export function plus(position: Lsn, entries: number): Lsn {
  return lsn(position + entries);
}

const segmentNamePattern = /^(\d{20})\.wal$/;

/** A segment is named after the first position it may hold, padded so that names sort as positions do. */
export function segmentFileName(firstLsn: Lsn): string {
  return `${String(firstLsn).padStart(20, '0')}.wal`;
}

/** The first position a file name stands for; undefined when the name is not a segment's. */
export function parseSegmentFileName(name: string): Lsn | undefined {
  const position = Number(segmentNamePattern.exec(name)?.[1]);
  return Number.isSafeInteger(position) && position > 0 ? lsn(position) : undefined;
}
