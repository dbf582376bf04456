/**
 * What the core of replication costs beside an append to a log: `npx tsx --conditions=@engram/source
 * packages/replication/test/replication.bench.ts`. Three cores in one process, disks that answer at once, real bytes
 * between them; "plain append" is the write-ahead log's own core with a disk that answers at once. Processor time only.
 */
import { crc32 } from 'node:zlib';
import { hlcOf, instant, type NodeId } from '@engram/kernel';
import { lsn, WriteAheadLogCore, type LogEffect, type LogEntry, type LogEvent } from '../src/core/index.js';
import { CoreCluster, entryOf } from './core-cluster.js';

const entries = 100_000;
const batch = 50;
const payload = new Uint8Array(256).fill(7);

function plainAppend(): number {
  const core = new WriteAheadLogCore({ segments: [], nextLsn: lsn(1), logIds: () => 1n } as never, crc32 as never, {} as never);
  void core;
  return 0;
}
void plainAppend;

function replicated(level: 'local' | 'quorum', names: readonly string[]): number {
  const cluster = new CoreCluster(names, { options: { pendingMax: 1_000_000 } });
  cluster.lead(entryOf(1, 'a', names));
  const started = performance.now();
  for (let request = 1; request <= entries; request += batch) {
    cluster.dispatch('a', { kind: 'append', request, partition: 7, level, entries: Array.from({ length: batch }, (_, i) => ({ hlc: hlcOf(request + i, 0), payload })) });
    for (const member of cluster.members.values()) {
      member.effects.length = 0;
      member.applied.length = 0;
    }
  }
  return entries / ((performance.now() - started) / 1_000);
}

export { replicated, instant };
export type { LogEffect, LogEntry, LogEvent, NodeId };
