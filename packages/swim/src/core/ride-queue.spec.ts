import { describe, expect, test } from 'vitest';
import { RideQueue, ridesFor } from './ride-queue.js';

const bytes = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));
const texts = (parts: readonly Uint8Array[]): string[] => parts.map((part) => String.fromCharCode(...part));

function queueOf(...keys: string[]): RideQueue<string> {
  const queue = new RideQueue<string>();
  for (const key of keys) queue.put(key, bytes(key));
  return queue;
}

describe('what rides next', () => {
  test('the latest of those that have ridden least', () => {
    const queue = queueOf('aa', 'bb', 'cc');
    expect(texts(queue.take(4, 9))).toEqual(['cc', 'bb']);
    expect(texts(queue.take(4, 9))).toEqual(['aa', 'cc']);
    expect(texts(queue.take(4, 9))).toEqual(['aa', 'bb']);
  });

  test('news of a member replaces older news of it and starts anew', () => {
    const queue = queueOf('aa', 'bb');
    queue.take(4, 9);
    queue.put('aa', bytes('a2'));
    expect(texts(queue.take(2, 9))).toEqual(['a2']);
    expect(queue.size).toBe(2);
  });

  test('only one key when all others are dropped', () => {
    const queue = queueOf('aa', 'bb', 'cc');
    queue.keepOnly('bb');
    expect(queue.size).toBe(1);
    expect(texts(queue.take(9, 9))).toEqual(['bb']);
    queue.keepOnly('xx');
    expect(queue.size).toBe(0);
  });

  test('one that does not fit lets smaller ones by', () => {
    const queue = queueOf('a', 'long-one');
    expect(texts(queue.take(3, 9))).toEqual(['a']);
    expect(queue.size).toBe(2);
  });

  test('no entry rides twice on one packet', () => {
    expect(texts(queueOf('a').take(100, 9))).toEqual(['a']);
  });
});

describe('what stops riding', () => {
  test('whatever has had its rides', () => {
    const queue = queueOf('a');
    queue.take(9, 2);
    expect(queue.size).toBe(1);
    queue.take(9, 2);
    expect([queue.size, queue.take(9, 2)]).toEqual([0, []]);
  });

  test('whatever is deleted', () => {
    const queue = queueOf('a', 'b');
    queue.delete('b');
    expect(texts(queue.take(9, 9))).toEqual(['a']);
  });

  test('the most travelled, when room is wanted', () => {
    const queue = queueOf('a');
    queue.take(9, 9);
    queue.put('b', bytes('b'));
    queue.dropMostTravelled();
    expect(texts(queue.take(9, 9))).toEqual(['b']);
  });
});

test('replacing one entry a million times keeps a handful in memory', () => {
  const queue = new RideQueue<string>();
  for (let i = 0; i < 1_000_000; i++) queue.put('a', bytes('a'));
  expect(queue.size).toBe(1);
  expect(texts(queue.take(100, 1))).toEqual(['a']);
});

test('news rides more often in larger clusters', () => {
  expect([1, 8, 9, 10, 99, 100, 1_000].map((members) => ridesFor(members, 4))).toEqual([4, 4, 4, 8, 8, 12, 16]);
});
