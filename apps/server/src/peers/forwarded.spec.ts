import { parseClusterId } from '@engram/kernel';
import { expect, test } from 'vitest';
import { readForwarded } from './index.js';

const blue = parseClusterId('blue');
const reader = (headers: Record<string, string>) => (name: string): string | undefined => headers[name];

test('a request of a client was passed on by nobody', () => {
  expect(readForwarded(reader({ 'x-engram-cluster-id': 'green' }), blue)).toBeUndefined();
});

test('a request that was passed on names the node that did', () => {
  expect(readForwarded(reader({ 'x-engram-forwarded-by': 'n1', 'x-engram-cluster-id': 'blue' }), blue)).toBe('n1');
});

test.each([
  ['another cluster', { 'x-engram-forwarded-by': 'n1', 'x-engram-cluster-id': 'green' }, /blue.*green/],
  ['no cluster', { 'x-engram-forwarded-by': 'n1' }, /blue.*undefined/],
  ['a node id that is none', { 'x-engram-forwarded-by': 'a b', 'x-engram-cluster-id': 'blue' }, /no node id/],
])('what was passed on by %s is refused', (_name, headers, message) => {
  expect(() => readForwarded(reader(headers), blue)).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(message) }));
});

test('a node without a cluster takes nothing from a node of one', () => {
  expect(() => readForwarded(reader({ 'x-engram-forwarded-by': 'n1', 'x-engram-cluster-id': 'blue' }), undefined)).toThrow(/belongs to none/);
});
