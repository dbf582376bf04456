import { describe, expect, test } from 'vitest';
import { hash64 } from './hash.js';

/** The seed and the multiplier that the xxHash sanity check fills its buffer with. */
const prime32 = 2654435761n;
const prime64 = 11400714785074694797n;

describe('the vectors of the xxHash sanity check', () => {
  test.each([
    [0, 0n, 0xef46db3751d8e999n],
    [0, prime32, 0xac75fda2929b17efn],
    [1, 0n, 0xe934a84adb052768n],
    [1, prime32, 0x5014607643a9b4c3n],
    [4, 0n, 0x9136a0dca57457een],
    [4, prime32, 0xcaab286bd8e9fdb5n],
    [14, 0n, 0x8282dcc4994e35c8n],
    [14, prime32, 0xc3bd6bf63deb6df0n],
    [222, 0n, 0xb641ae8cb691c174n],
    [222, prime32, 0x20cb8ab7ae10c14an],
  ])('%i bytes with seed %s', (length, seed, expected) => {
    expect(hash64(sanityBuffer(length), seed)).toBe(expected);
  });
});

describe('strings hash as their UTF-8', () => {
  test.each([
    ['', 0n, 0xef46db3751d8e999n],
    ['a', 0n, 0xd24ec4f1a98c6e5bn],
    ['a', 2n ** 64n - 1n, 0x60c43759873ece62n],
    ['abc', 0n, 0x44bc2cf5ad770999n],
    ['message digest', 0n, 0x066ed728fceeb3ben],
    ['Nobody inspects the spammish repetition', 0n, 0xfbcea83c8a378bf1n],
    ['The quick brown fox jumps over the lazy dog', 2n ** 64n - 1n, 0x9f3d039cd26eeafcn],
    ['naïve café — 日本語 🧠', 0n, 0x111884857dc0c635n],
  ])('%j with seed %s', (text, seed, expected) => {
    expect(hash64(text, seed)).toBe(expected);
    expect(hash64(new TextEncoder().encode(text), seed)).toBe(expected);
  });
});

test('every length from 0 to 100, each with its own seed, agrees with the reference implementation', () => {
  // The expected value was computed with the xxhash package of Python over the same inputs.
  const hashes = new Uint8Array(101 * 8);
  for (let length = 0; length <= 100; length++) {
    const bytes = Uint8Array.from({ length }, (_, i) => i * 7 + length);
    new DataView(hashes.buffer).setBigUint64(8 * length, hash64(bytes, BigInt(length)), true);
  }
  expect(hash64(hashes)).toBe(0xacaa40d9fdeb66den);
});

test('a view into a larger buffer hashes its own bytes only', () => {
  const whole = sanityBuffer(100);
  expect(hash64(whole.subarray(13, 77))).toBe(hash64(whole.slice(13, 77)));
});

test.each([-1n, 2n ** 64n])('a seed outside 64 bits is refused: %s', (seed) => {
  expect(() => hash64('', seed)).toThrow(/unsigned 64-bit/);
});

function sanityBuffer(length: number): Uint8Array {
  let generator = prime32;
  return Uint8Array.from({ length }, () => {
    const byte = Number(generator >> 56n);
    generator = BigInt.asUintN(64, generator * prime64);
    return byte;
  });
}
