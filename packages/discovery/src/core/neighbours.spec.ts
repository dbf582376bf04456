import { instant } from '@engram/kernel';
import { expect, test } from 'vitest';
import { Neighbours, type Announcement } from './neighbours.js';

const at = (ms: number) => instant(ms * 1_000);
const a1: Announcement = { nodeId: 'a', startedAtMs: 1_000, sequence: 1, endpoint: '10.0.0.1:1', everyMs: 100 };

test('a node is known from its first announcement, and forgotten when it has missed three', () => {
  const neighbours = new Neighbours(8);
  expect(neighbours.announced(a1, at(0))).toBe(true);
  expect(neighbours.announced({ ...a1, sequence: 2 }, at(100))).toBe(false);
  expect([neighbours.endpoints(), neighbours.nextForget()]).toEqual([['10.0.0.1:1'], at(400)]);
  expect(neighbours.forget(at(399))).toBe(false);
  expect(neighbours.forget(at(400))).toBe(true);
  expect([neighbours.endpoints(), neighbours.nextForget()]).toEqual([[], undefined]);
});

test('what is repeated or overtaken is ignored, also when it says something else', () => {
  const neighbours = new Neighbours(8);
  neighbours.announced({ ...a1, sequence: 5 }, at(0));
  expect(neighbours.announced({ ...a1, sequence: 5, endpoint: 'x:1' }, at(50))).toBe(false);
  expect(neighbours.announced({ ...a1, sequence: 4, endpoint: 'x:1' }, at(50))).toBe(false);
  expect(neighbours.announced({ ...a1, startedAtMs: 999, sequence: 9, endpoint: 'x:1' }, at(50))).toBe(false);
  expect([neighbours.endpoints(), neighbours.nextForget()]).toEqual([['10.0.0.1:1'], at(300)]);
});

test('a node that started again counts from its start, whatever it had counted before', () => {
  const neighbours = new Neighbours(8);
  neighbours.announced({ ...a1, sequence: 500 }, at(0));
  expect(neighbours.announced({ ...a1, startedAtMs: 2_000, endpoint: '10.0.0.2:1' }, at(10))).toBe(true);
  expect(neighbours.endpoints()).toEqual(['10.0.0.2:1']);
});

test('a node that leaves is gone at once, and an older leave of it is ignored', () => {
  const neighbours = new Neighbours(8);
  neighbours.announced({ ...a1, sequence: 3 }, at(0));
  expect(neighbours.left({ ...a1, sequence: 2 })).toBe(false);
  expect(neighbours.left({ ...a1, nodeId: 'b', sequence: 9 })).toBe(false);
  expect(neighbours.left({ ...a1, sequence: 4 })).toBe(true);
  expect(neighbours.endpoints()).toEqual([]);
});

test('when there is no more room, those that are known stay', () => {
  const neighbours = new Neighbours(2);
  for (const nodeId of ['a', 'b', 'c', 'd']) neighbours.announced({ ...a1, nodeId, endpoint: `${nodeId}:1` }, at(0));
  expect([neighbours.endpoints(), neighbours.refused]).toEqual([['a:1', 'b:1'], 2]);
  neighbours.forget(at(300));
  expect(neighbours.announced({ ...a1, nodeId: 'c' }, at(300))).toBe(true);
});
