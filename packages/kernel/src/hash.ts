import { assert } from './assert.js';
import { utf8Encode } from './utf8.js';

const prime1 = 0x9e3779b185ebca87n;
const prime2 = 0xc2b2ae3d27d4eb4fn;
const prime3 = 0x165667b19e3779f9n;
const prime4 = 0x85ebca77c2b2ae63n;
const prime5 = 0x27d4eb2f165667c5n;

/**
 * XXH64, as the xxHash specification defines it, of bytes or of a string's UTF-8. The result is an unsigned 64-bit
 * bigint, the same on every machine and in every release: placement and random streams are built on it. It spreads
 * keys well and resists no adversary; do not use it where somebody gains by a collision.
 */
export function hash64(input: string | Uint8Array, seed = 0n): bigint {
  assert(seed === u64(seed), 'the seed of hash64 is an unsigned 64-bit integer', { seed });
  const bytes = typeof input === 'string' ? utf8Encode(input) : input;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stripesEnd = bytes.length - (bytes.length % 32);
  const start = stripesEnd > 0 ? hashStripes(view, stripesEnd, seed) : u64(seed + prime5);
  return avalanche(hashTail(view, stripesEnd, u64(start + BigInt(bytes.length))));
}

/** Stripes of 32 bytes run through four independent lanes, which are then folded into one. */
function hashStripes(view: DataView, end: number, seed: bigint): bigint {
  let lane1 = u64(seed + prime1 + prime2);
  let lane2 = u64(seed + prime2);
  let lane3 = seed;
  let lane4 = u64(seed - prime1);
  for (let at = 0; at < end; at += 32) {
    lane1 = round(lane1, view.getBigUint64(at, true));
    lane2 = round(lane2, view.getBigUint64(at + 8, true));
    lane3 = round(lane3, view.getBigUint64(at + 16, true));
    lane4 = round(lane4, view.getBigUint64(at + 24, true));
  }
  let hash = u64(rotateLeft(lane1, 1n) + rotateLeft(lane2, 7n) + rotateLeft(lane3, 12n) + rotateLeft(lane4, 18n));
  for (const lane of [lane1, lane2, lane3, lane4]) {
    hash = u64((hash ^ round(0n, lane)) * prime1 + prime4);
  }
  return hash;
}

/** What is left after the stripes, at most 31 bytes: by eights, then one four, then ones. */
function hashTail(view: DataView, start: number, initial: bigint): bigint {
  let hash = initial;
  let at = start;
  for (; at + 8 <= view.byteLength; at += 8) {
    hash ^= round(0n, view.getBigUint64(at, true));
    hash = u64(rotateLeft(hash, 27n) * prime1 + prime4);
  }
  if (at + 4 <= view.byteLength) {
    hash ^= u64(BigInt(view.getUint32(at, true)) * prime1);
    hash = u64(rotateLeft(hash, 23n) * prime2 + prime3);
    at += 4;
  }
  for (; at < view.byteLength; at++) {
    hash ^= u64(BigInt(view.getUint8(at)) * prime5);
    hash = u64(rotateLeft(hash, 11n) * prime1);
  }
  return hash;
}

/** Every input bit ends up affecting every output bit. */
function avalanche(initial: bigint): bigint {
  let hash = initial;
  hash = u64((hash ^ (hash >> 33n)) * prime2);
  hash = u64((hash ^ (hash >> 29n)) * prime3);
  return hash ^ (hash >> 32n);
}

function round(lane: bigint, input: bigint): bigint {
  return u64(rotateLeft(u64(lane + input * prime2), 31n) * prime1);
}

function rotateLeft(value: bigint, bits: bigint): bigint {
  return u64(value << bits) | (value >> (64n - bits));
}

function u64(value: bigint): bigint {
  return BigInt.asUintN(64, value);
}
