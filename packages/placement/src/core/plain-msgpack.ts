import { isPlainArray } from '@engram/kernel';
import { Packr } from 'msgpackr';

/** Arrays, numbers, text, bytes and nil only: what anybody's msgpack reads, and what `unpackPlain` lets in. */
const packr = new Packr({ useRecords: false });

export type PlainItem = number | string | Uint8Array | null | readonly PlainItem[];

/** Numbers must be whole and below 2^32, or fractions. */
export function packPlain(item: PlainItem): Uint8Array {
  return Uint8Array.from(packr.pack(item) as Uint8Array);
}

/**
 * What the bytes hold, or undefined when they are not exactly one array of plain items, nested at most `depthMax` deep.
 * The walk comes before the decoder, which so never meets a length that the bytes do not hold or an extension that
 * would make it build something else. Never throws; the result shares no memory with the bytes.
 */
export function unpackPlain(bytes: Uint8Array, depthMax: number): readonly unknown[] | undefined {
  try {
    if (!isPlainArray(bytes, 0, depthMax)) return undefined;
    const item: unknown = packr.unpack(bytes.slice());
    return Array.isArray(item) ? (item as unknown[]) : undefined;
  } catch {
    return undefined;
  }
}

/** A whole number from `min` to `max`. */
export function isCount(value: unknown, min = 0, max = 2 ** 32 - 1): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

/** A text of at most so many characters. */
export function isText(value: unknown, lengthMax: number, lengthMin = 0): value is string {
  return typeof value === 'string' && value.length >= lengthMin && value.length <= lengthMax;
}
