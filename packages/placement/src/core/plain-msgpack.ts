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
    if (walk(bytes, 0, depthMax) !== bytes.length) return undefined;
    const item: unknown = packr.unpack(bytes.slice());
    return Array.isArray(item) ? (item as unknown[]) : undefined;
  } catch {
    return undefined;
  }
}

/** Where the item that starts at `at` ends; -1 for whatever is not plain or not there. */
function walk(bytes: Uint8Array, at: number, depthLeft: number): number {
  const marker = bytes[at] ?? 0xc1;
  const after = at + 1;
  if (marker <= 0x7f || marker >= 0xe0) return after;
  if (marker <= 0x8f) return -1;
  if (marker <= 0x9f) return walkItems(bytes, after, marker & 0x0f, depthLeft);
  if (marker <= 0xbf) return after + (marker & 0x1f);
  switch (marker) {
    case 0xc0: return after;
    case 0xcc: case 0xd0: return after + 1;
    case 0xcd: case 0xd1: return after + 2;
    case 0xce: case 0xd2: case 0xca: return after + 4;
    case 0xcb: return after + 8;
    case 0xc4: case 0xd9: return after + 1 + bigEndian(bytes, after, 1);
    case 0xc5: case 0xda: return after + 2 + bigEndian(bytes, after, 2);
    case 0xc6: case 0xdb: return after + 4 + bigEndian(bytes, after, 4);
    case 0xdc: return walkItems(bytes, after + 2, bigEndian(bytes, after, 2), depthLeft);
    case 0xdd: return walkItems(bytes, after + 4, bigEndian(bytes, after, 4), depthLeft);
    default: return -1;
  }
}

function walkItems(bytes: Uint8Array, start: number, items: number, depthLeft: number): number {
  // Each item takes a byte at least, so a lying count is refused before it is counted down.
  if (depthLeft === 0 || items > bytes.length - start) return -1;
  let at = start;
  for (let i = 0; i < items && at >= 0 && at <= bytes.length; i++) at = walk(bytes, at, depthLeft - 1);
  return at <= bytes.length ? at : -1;
}

/** NaN beyond the end, which no comparison lets through. */
function bigEndian(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] ?? NaN);
  return value;
}

/** A whole number from `min` to `max`. */
export function isCount(value: unknown, min = 0, max = 2 ** 32 - 1): value is number {
  return Number.isInteger(value) && (value as number) >= min && (value as number) <= max;
}

/** A text of at most so many characters. */
export function isText(value: unknown, lengthMax: number, lengthMin = 0): value is string {
  return typeof value === 'string' && value.length >= lengthMin && value.length <= lengthMax;
}
