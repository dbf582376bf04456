import { expect, test } from 'vitest';
import { defaultReplicationOptions, resolveReplicationOptions, type ReplicationOptions } from './options.js';

test('without options there are the defaults', () => {
  expect(resolveReplicationOptions()).toEqual(defaultReplicationOptions);
});

test.each<[ReplicationOptions, RegExp]>([
  [{ batchEntries: 0 }, /batchEntries/],
  [{ ackTimeoutMs: 1.5 }, /ackTimeoutMs/],
  [{ batchBytes: 2 * 1024 * 1024 }, /batchBytes/],
  [{ snapshotChunkBytes: 2 * 1024 * 1024 }, /snapshotChunkBytes/],
  [{ windowEntries: 10 }, /windowEntries/],
  [{ heartbeatMs: 1_500 }, /peerTimeoutMs/],
  [{ reconnectMinMs: 9_000 }, /reconnectMaxMs/],
  [{ batchSize: 5 } as ReplicationOptions, /batchSize/],
])('%j is refused by name', (options, complaint) => {
  expect(() => resolveReplicationOptions(options)).toThrow(complaint);
});
