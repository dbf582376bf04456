/** The four 32-bit words of the generator; at least one is not zero. */
export type Xoshiro128State = Uint32Array;

/**
 * Draws the next 32 bits and moves the state on: xoshiro128** 1.1 (Blackman and Vigna, "Scrambled linear pseudorandom
 * number generators", 2021). Chosen because 32-bit words are what JavaScript computes fast. Period 2^128 − 1.
 */
export function xoshiro128StarStar(state: Xoshiro128State): number {
  const [s0, s1, s2, s3] = state as unknown as [number, number, number, number];
  const drawn = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
  const mixed2 = s2 ^ s0;
  const mixed3 = s3 ^ s1;
  state[0] = s0 ^ mixed3;
  state[1] = s1 ^ mixed2;
  state[2] = mixed2 ^ (s1 << 9);
  state[3] = rotateLeft(mixed3, 11);
  return drawn;
}

/** Spreads 64 bits over a whole state with two draws of splitmix64, as the authors of xoshiro recommend. */
export function xoshiro128StateFrom(key: bigint): Xoshiro128State {
  const first = splitmix64(key);
  const second = splitmix64(key + splitmixGamma);
  // Splitmix is a bijection of its counter, so two draws in a row differ and the state cannot be all zero.
  return Uint32Array.of(low32(first), low32(first >> 32n), low32(second), low32(second >> 32n));
}

const splitmixGamma = 0x9e3779b97f4a7c15n;

function splitmix64(counter: bigint): bigint {
  let z = BigInt.asUintN(64, counter + splitmixGamma);
  z = BigInt.asUintN(64, (z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n);
  z = BigInt.asUintN(64, (z ^ (z >> 27n)) * 0x94d049bb133111ebn);
  return z ^ (z >> 31n);
}

function low32(value: bigint): number {
  return Number(value & 0xffff_ffffn);
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}
