import { describe, expect, it } from 'vitest';
import { isPlainArray } from './plain-msgpack.js';

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);

describe('bytes that claim to be msgpack', () => {
  it.each([
    ['an empty array', bytes(0x90)],
    ['numbers, text, bytes, nil and booleans', bytes(0x96, 0x07, 0xa1, 0x61, 0xc4, 0x01, 0xff, 0xc0, 0xc3, 0xcd, 0x01, 0x00)],
    ['an array in an array', bytes(0x91, 0x91, 0x01)],
    ['a count of sixteen bits', bytes(0xdc, 0x00, 0x01, 0x05)],
  ])('are one plain array: %s', (_what, array) => {
    expect(isPlainArray(array, 0, 2)).toBe(true);
  });

  it.each([
    ['nothing', bytes()],
    ['a number alone', bytes(0x07)],
    ['a map', bytes(0x91, 0x80)],
    ['an extension', bytes(0x91, 0xd4, 0x01, 0x00)],
    ['a count that lies', bytes(0xdd, 0xff, 0xff, 0xff, 0xff)],
    ['a text that ends too soon', bytes(0x91, 0xa5, 0x61)],
    ['something behind the array', bytes(0x90, 0x00)],
    ['nesting too deep', bytes(0x91, 0x91, 0x91, 0x01)],
  ])('are refused: %s', (_what, array) => {
    expect(isPlainArray(array, 0, 2)).toBe(false);
  });

  it('are read from where it is said', () => {
    expect(isPlainArray(bytes(0xff, 0xff, 0x91, 0x01), 2, 1)).toBe(true);
  });
});
