/**
 * What the core of replication costs beside a plain append, in processor time:
 * `npm run bench -w @engram/replication`. Disks and wires answer at once and every message is real bytes, so what is left
 * is deciding, encoding, checking and decoding. The plain append is the write-ahead log's own core on the same payloads.
 * All cores run on one thread: with three copies the figure is the work of a whole cluster, not of one node.
 */
import { crc32 } from 'node:zlib';
import { hlcOf, hlcZero, instant, type NodeId } from '@engram/kernel';
import { lsn, SEGMENT_HEADER_BYTES, WriteAheadLogCore, type LogEffect, type LogEntry, type LogEvent } from '../src/core/index.js';
import { CoreCluster, entryOf } from './core-cluster.js';

const entries = Number(process.argv[2] ?? 200_000);
const perAppend = 50;
const payload = new Uint8Array(256).fill(7);

function perSecond(run: () => void): number {
  const started = performance.now();
  run();
  return entries / ((performance.now() - started) / 1_000);
}

/** The log's core with a disk that answers at once. */
function plainAppends(): void {
  const core = new WriteAheadLogCore(crc32, { logId: 1n, segments: [{ firstLsn: lsn(1), lastLsn: lsn(0), bytes: SEGMENT_HEADER_BYTES }], nextLsn: lsn(1), hlcHighWater: hlcZero, sealed: false });
  const answers: Partial<Record<LogEffect['kind'], LogEvent>> = { write: { kind: 'written' }, sync: { kind: 'synced' }, 'open-segment': { kind: 'segment-opened' } };
  const absorb = (event: LogEvent): void => {
    for (const effect of core.handle(event, instant(1))) {
      const answer = answers[effect.kind];
      if (answer !== undefined) absorb(answer);
    }
  };
  for (let at = 1; at <= entries; at += perAppend) {
    const group = Array.from({ length: perAppend }, (_, i): LogEntry => ({ partition: 7, epoch: 1, seq: at + i, hlc: hlcOf(at + i, 0), origin: 'a' as NodeId, payload }));
    absorb({ kind: 'append', calls: [{ id: at, entries: group }] });
  }
}

function replicated(names: readonly string[], level: 'local' | 'quorum'): () => void {
  return () => {
    const cluster = new CoreCluster(names, { keepLog: false });
    cluster.lead(entryOf(1, 'a', names));
    let acknowledged = 0;
    for (let at = 1; at <= entries; at += perAppend) {
      cluster.dispatch('a', { kind: 'append', request: at, partition: 7, level, entries: Array.from({ length: perAppend }, (_, i) => ({ hlc: hlcOf(at + i, 0), payload })) });
      acknowledged += cluster.take('a', 'acknowledged').length;
      cluster.forget();
    }
    if (acknowledged !== entries / perAppend) throw new Error(`only ${acknowledged} of ${entries / perAppend} writes were acknowledged`);
  };
}

const rows: readonly (readonly [string, () => void])[] = [
  ['plain append to the log', plainAppends],
  ['one copy, local', replicated(['a'], 'local')],
  ['two copies, all work of both', replicated(['a', 'b'], 'quorum')],
  ['three copies, all work of all', replicated(['a', 'b', 'c'], 'quorum')],
];
for (const [, run] of rows) run();
const baseline = perSecond(plainAppends);
console.log(`${entries} entries of ${payload.length} bytes, ${perAppend} in a write`);
for (const [name, run] of rows) {
  const rate = run === plainAppends ? baseline : perSecond(run);
  console.log(`${name.padEnd(32)} ${Math.round(rate).toLocaleString('en').padStart(10)} entries/s   ${(rate / baseline).toFixed(2)} of plain`);
}
