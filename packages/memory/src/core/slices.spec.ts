import { expect, test } from 'vitest';
import { offsetOf, sliceClassFor, sliceClassMax, Slices } from './slices.js';

test('slices never overlap, over many pages and sizes', () => {
  const slices = new Slices();
  const taken = Array.from({ length: 3_000 }, (_, i) => {
    const sliceClass = 1 + (i % 10);
    const address = slices.allocate(sliceClass);
    slices.pageOf(address).fill(i, offsetOf(address), offsetOf(address) + 2 ** sliceClass);
    return { address, sliceClass, i };
  });
  expect(slices.pages.length).toBeGreaterThan(5);
  for (const { address, sliceClass, i } of taken) {
    const words = slices.pageOf(address).subarray(offsetOf(address), offsetOf(address) + 2 ** sliceClass);
    expect(words.every((word) => word === i)).toBe(true);
  }
});

test('address 0 is never handed out', () => {
  const slices = new Slices();
  expect(slices.allocate(1)).not.toBe(0);
});

test('a freed slice is the next one of its size', () => {
  const slices = new Slices();
  const first = slices.allocate(5);
  const second = slices.allocate(5);
  slices.free(first, 5);
  slices.free(second, 5);
  expect([slices.allocate(5), slices.allocate(5)]).toEqual([second, first]);
  expect(slices.allocate(5)).not.toBe(first);
});

test('taking and freeing the same amount for ever needs no further page', () => {
  const slices = new Slices();
  const round = (): void => {
    const taken = [sliceClassMax, 12, 3].map((sliceClass) => ({ sliceClass, address: slices.allocate(sliceClass) }));
    for (const { address, sliceClass } of taken) slices.free(address, sliceClass);
  };
  round();
  const { bytes } = slices;
  for (let i = 0; i < 1_000; i++) round();
  expect(slices.bytes).toBe(bytes);
});

test('the class for a number of words is the smallest that holds them', () => {
  expect([1, 2, 3, 4, 5, 16_384].map(sliceClassFor)).toEqual([1, 1, 2, 2, 3, 14]);
});

test('a class out of range is our own mistake', () => {
  expect(() => new Slices().allocate(sliceClassMax + 1)).toThrow(/slice class/);
});

test('a heap begins small and never takes more than four times what is asked of it', () => {
  const slices = new Slices();
  expect(slices.bytes).toBe(256);
  let asked = 0;
  for (let i = 0; i < 2_000; i++) {
    slices.allocate(4);
    asked += 4 * 2 ** 4;
    expect(slices.bytes).toBeLessThanOrEqual(256 + 4 * asked);
  }
});

test('a slice larger than the page whose turn it is gets a page of its size', () => {
  const slices = new Slices();
  const large = slices.allocate(sliceClassMax);
  expect(slices.pageOf(large).length - offsetOf(large)).toBeGreaterThanOrEqual(2 ** sliceClassMax);
  expect(slices.bytes).toBe(256 + 4 * 2 ** sliceClassMax);
});
