/** What else may explain a figure: the machine, and how steady it was. */
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { availableParallelism, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { hash64 } from '@engram/kernel';
import { LatencyHistogram, type LatencySummary } from './histogram.js';

export interface Machine {
  readonly cores: number;
  readonly memoryGiB: number;
  readonly platform: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  return {
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform} ${process.arch}`,
    node: process.version,
  };
}

/** The same small work, done before and after all figures. */
export interface Probe {
  /** Processes that wanted to run, averaged over the last minute. Above the number of cores, somebody else is busy too. */
  readonly loadAverage: number;
  /** Milliseconds that a fixed amount of hashing took. */
  readonly hashingMs: number;
  /** Of appending 16 KiB and syncing, one after the other. */
  readonly fdatasync: LatencySummary;
}

const HASHES = 20_000;
const SYNCS = 200;

export function probeMachine(directory: string): Probe {
  const bytes = new Uint8Array(1_024).fill(7);
  const began = performance.now();
  for (let index = 0; index < HASHES; index += 1) hash64(bytes, BigInt(index));
  const hashingMs = performance.now() - began;

  const fdatasync = new LatencyHistogram();
  const file = openSync(join(directory, 'probe'), 'w');
  const block = Buffer.alloc(16_384, 7);
  for (let index = 0; index < SYNCS; index += 1) {
    const syncBegan = performance.now();
    writeSync(file, block);
    fdatasyncSync(file);
    fdatasync.record(performance.now() - syncBegan);
  }
  closeSync(file);
  return { loadAverage: loadavg()[0] ?? 0, hashingMs, fdatasync: fdatasync.summary() };
}
