import { expect, test } from 'vitest';
import { NonceSource } from './nonce-source.js';

function sourceFrom(first: number): () => string {
  let drawn = 0;
  const source = new NonceSource((count) => new Uint8Array(count).fill(++drawn), first);
  return () => {
    const into = Buffer.alloc(14, 0xee);
    source.writeNext(into, 1);
    return into.toString('hex');
  };
}

test('a nonce is the random bits of this start, then a counter', () => {
  const next = sourceFrom(0);
  expect([next(), next()]).toEqual(['ee010101010101010100000000ee', 'ee010101010101010100000001ee']);
});

test('a counter that is used up never wraps around: new random bits are drawn', () => {
  const next = sourceFrom(2 ** 32 - 1);
  expect([next(), next()]).toEqual(['ee0101010101010101ffffffffee', 'ee020202020202020200000000ee']);
});
