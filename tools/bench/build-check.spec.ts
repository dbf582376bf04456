import { expect, test } from 'vitest';
import { withDependencies } from './build-check.js';

test('what a project is made of is checked before it, each once', () => {
  expect(withDependencies(['packages/swim'])).toEqual(['packages/kernel', 'packages/swim']);
  const server = withDependencies(['apps/server', 'packages/kernel']);
  expect(server.at(-1)).toBe('apps/server');
  expect(server).toEqual([...new Set(server)]);
  expect(server).toEqual(expect.arrayContaining(['packages/kernel', 'packages/swim', 'packages/memory', 'packages/replication']));
});
