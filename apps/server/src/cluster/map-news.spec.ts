import { parseNodeId } from '@engram/kernel';
import type { MapChange } from '@engram/placement';
import { expect, test } from 'vitest';
import { mapNews } from './map-news.js';

const [a, b] = [parseNodeId('a'), parseNodeId('b')];

test('changes of one kind are told together, with their number', () => {
  const changes: MapChange[] = [1, 2, 3].map((partition) => ({ kind: 'primary-changed', partition, epoch: 2, from: a, to: b, provisional: false }));
  expect(mapNews(changes)).toBe('b took over 3 partitions from a');
  expect(mapNews(changes.slice(0, 1))).toBe('b took over 1 partition from a');
});

test('what happened to nodes comes first', () => {
  const node = { id: b, storageId: 's', addresses: {}, zone: '', rack: '', capacity: 1, state: 'active' as const };
  expect(
    mapNews([
      { kind: 'move-started', partition: 1, from: a, to: b },
      { kind: 'node-joined', node },
      { kind: 'voters-changed', before: [], voters: [{ id: a, storageId: 's' }, { id: b, storageId: 't' }] },
      { kind: 'node-changed', before: node, node: { ...node, state: 'draining' } },
      { kind: 'replicas-changed', partition: 1, epoch: 3, added: [b], removed: [a] },
    ]),
  ).toBe('b is in the roster; voters are a, b; b is draining; b is being filled with 1 partition; b holds a copy of 1 partition more; a holds a copy of 1 partition less');
});

test('nothing is told of nothing', () => {
  expect(mapNews([])).toBe('');
});
