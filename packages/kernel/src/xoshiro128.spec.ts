import { expect, test } from 'vitest';
import { xoshiro128StarStar, xoshiro128StateFrom } from './xoshiro128.js';

function draws(state: Uint32Array, count: number): number[] {
  return Array.from({ length: count }, () => xoshiro128StarStar(state));
}

test('the first draws from a known state are those of the reference code', () => {
  const expected = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804];
  expect(draws(Uint32Array.of(1, 2, 3, 4), 10)).toEqual(expected);
});

test('a state with high bits set agrees with the reference code too', () => {
  const state = Uint32Array.of(0x964d4a0c, 0xd40ab895, 0xad7fdecb, 0x3006f0f0);
  expect(draws(state, 4)).toEqual([0xf1391922, 0x6fe53806, 0xa5be2840, 0xf510ee70]);
});

test('a key fills the state with two draws of splitmix64, low words first', () => {
  // The first two outputs of splitmix64 from 1234567, as published with its reference code.
  const [first, second] = [6457827717110365317n, 3203168211198807973n];
  const words = [first, second].flatMap((word) => [Number(word & 0xffff_ffffn), Number(word >> 32n)]);
  expect([...xoshiro128StateFrom(1234567n)]).toEqual(words);
});

test('the largest key wraps instead of growing past 64 bits', () => {
  expect([...xoshiro128StateFrom(2n ** 64n - 1n)].some((word) => word !== 0)).toBe(true);
  expect([...xoshiro128StateFrom(2n ** 64n - 1n)]).toEqual([...xoshiro128StateFrom(-1n)]);
});
