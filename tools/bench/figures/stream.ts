/** The stream of replication by itself: entries from one log to another as they come, and a million of them at once. */
import { join } from 'node:path';
import { hlcOf } from '@engram/kernel';
import { lsn, openWriteAheadLog, type LogEntry } from '@engram/replication';
import { BareCopy } from '../bare-copies.js';
import type { Figure } from '../figure.js';
import { interleavedRatio, median, noiseOf } from '../ratio.js';
import { quickSizes, type World } from '../world.js';

/** As a small memory is written into the log. */
const ENTRY_BYTES = 256;
/** Entries of one append, and appends under way. */
const BATCH = 64;
const UNDERWAY = 32;
const PARTITIONS = Array.from({ length: 16 }, (_, at) => at);
const ENTRIES = 1_000_000;
const ENTRIES_QUICK = 50_000;

interface Round {
  readonly perSecond: number;
  /** Processor time of everything for each entry. */
  readonly micros: number;
}

export async function measureStream(world: World): Promise<Figure> {
  const { sizes, progress } = world;
  const [alone, pair]: [Round[], Round[]] = [[], []];
  await streamed(world, true, sizes.warmUpMs);
  for (let round = 0; round < sizes.rounds; round += 1) {
    progress(`stream, round ${round + 1} of ${sizes.rounds}`);
    alone.push(await streamed(world, false, sizes.roundMs));
    pair.push(await streamed(world, true, sizes.roundMs));
  }
  alone.push(await streamed(world, false, sizes.roundMs));
  const entries = sizes === quickSizes ? ENTRIES_QUICK : ENTRIES;
  progress(`stream, catch-up of ${entries} entries from the log`);
  const { caughtUp: fromLog, replayed } = await catchUp(world, entries, false);
  progress(`stream, catch-up of ${entries} entries from snapshots`);
  const { caughtUp: fromSnapshot } = await catchUp(world, entries, true);
  const rate = interleavedRatio(pair.map(({ perSecond }) => perSecond), alone.map(({ perSecond }) => perSecond));
  const cost = interleavedRatio(pair.map(({ micros }) => micros), alone.map(({ micros }) => micros));
  const bar = (label: string, rounds: readonly Round[]) => ({ label, perSecond: rounds.map(({ perSecond }) => perSecond), serverMicros: median(rounds.map(({ micros }) => micros)) });
  return {
    name: 'stream',
    title: `Entries of ${ENTRY_BYTES} bytes from one log to another, ${PARTITIONS.length} partitions`,
    bars: [
      bar('one log, durable (baseline)', alone),
      bar('two copies, durable on both', pair),
      bar(`${entries} entries read and written to another log (baseline)`, [replayed]),
      bar(`catch-up of ${entries} entries from the log`, [fromLog]),
      bar(`catch-up of ${entries} entries from snapshots`, [fromSnapshot]),
    ],
    findings: [
      { label: 'two copies ÷ one log, entries per second', value: rate.value, unit: '×', range: [rate.lowest, rate.highest] },
      { label: 'two copies ÷ one log, processor time of an entry', value: cost.value, unit: '×', range: [cost.lowest, cost.highest] },
      { label: 'processor time of 1000 entries on two copies, all of it', value: median(pair.map(({ micros }) => micros)), unit: 'ms' },
      { label: `catch-up of ${entries} entries from the log`, value: entries / fromLog.perSecond, unit: 's' },
      { label: 'the same ÷ reading and writing them locally, time', value: replayed.perSecond / fromLog.perSecond, unit: '×' },
      { label: 'the same, processor time', value: fromLog.micros / replayed.micros, unit: '×' },
      { label: `catch-up of ${entries} entries from snapshots`, value: entries / fromSnapshot.perSecond, unit: 's' },
      { label: 'the same ÷ reading and writing them locally, time', value: replayed.perSecond / fromSnapshot.perSecond, unit: '×' },
      { label: 'the same, processor time', value: fromSnapshot.micros / replayed.micros, unit: '×' },
    ],
    noise: { ...noiseOf(alone.map(({ perSecond }) => perSecond)), baseline: 'entries per second of one log', unit: '/s' },
    notes: [
      `The core of replication and a real log for each copy, both in one process on one disk, without engines: what it costs to index a memory is not in it. The pipe between them costs a copy of each message. ${UNDERWAY} appends of ${BATCH} entries are under way; the one log takes the same appends.`,
      'Snapshots leave at the default rate, at most 32 MiB per second; the store that they come from is an array, the one they go to a file. The baseline reads the entries from the log of the leader, copies them, and appends them to another log in the same batches.',
    ],
  };
}

/** Durable on two copies, or in the log of one. */
async function streamed(world: World, copies: boolean, forMs: number): Promise<Round> {
  const [leader, other] = [await BareCopy.open('a', world.directory(), false), await BareCopy.open('b', world.directory(), false)];
  BareCopy.lead(leader, other, PARTITIONS, copies);
  // Whoever is alone is connected to nobody.
  if (copies) leader.join();
  const payloads = batchOf(0);
  if (copies) for (const partition of PARTITIONS) await leader.append(partition, payloads, 'all');
  const until = performance.now() + forMs;
  const { done, round } = measured();
  let appended = 0;
  await Promise.all(Array.from({ length: UNDERWAY }, async (_, at) => {
    for (let turn = at; performance.now() < until; turn += UNDERWAY) {
      await leader.append(PARTITIONS[turn % PARTITIONS.length]!, payloads, copies ? 'all' : 'local');
      appended += BATCH;
    }
  }));
  done(appended);
  await Promise.all([leader.close(), other.close()]);
  return round();
}

/** A copy that has nothing, and a leader that has all of it. */
async function catchUp(world: World, entries: number, cutLog: boolean): Promise<{ readonly caughtUp: Round; readonly replayed: Round }> {
  const [leader, other] = [await BareCopy.open('a', world.directory(), cutLog), await BareCopy.open('b', world.directory(), false)];
  BareCopy.lead(leader, other, PARTITIONS, false);
  let next = 0;
  await Promise.all(Array.from({ length: UNDERWAY }, async () => {
    while (next < entries) {
      const turn = (next += BATCH) / BATCH;
      await leader.append(PARTITIONS[turn % PARTITIONS.length]!, batchOf(turn), 'local');
    }
  }));
  const replayed = cutLog ? { perSecond: NaN, micros: NaN } : await replay(leader, join(world.directory(), 'log'));
  if (cutLog) await leader.cutLog();
  const { done, round } = measured();
  leader.join();
  while (PARTITIONS.some((partition) => other.seqOf(partition) < leader.seqOf(partition))) await new Promise((resolve) => setTimeout(resolve, 5));
  done(next);
  if (other.snapshotsReceived > 0 !== cutLog) throw new Error(`the copy did not catch up as it was meant to: ${other.snapshotsReceived} snapshots`);
  await Promise.all([leader.close(), other.close()]);
  return { caughtUp: round(), replayed };
}

/** The same entries, from one log to another, with nothing between. */
async function replay({ log }: BareCopy, directory: string): Promise<Round> {
  const { done, round } = measured();
  const to = await openWriteAheadLog({ directory });
  const underWay = new Set<Promise<unknown>>();
  let batch: LogEntry[] = [];
  let copied = 0;
  const flush = async (): Promise<void> => {
    const appended = to.append(batch).finally(() => underWay.delete(appended));
    underWay.add(appended);
    copied += batch.length;
    batch = [];
    if (underWay.size >= UNDERWAY) await Promise.race(underWay);
  };
  for await (const { entry } of log.read(lsn(1))) {
    batch.push({ ...entry, payload: Uint8Array.from(entry.payload) });
    if (batch.length === BATCH) await flush();
  }
  if (batch.length > 0) await flush();
  await Promise.all(underWay);
  done(copied);
  await to.close();
  return round();
}

function batchOf(turn: number): { readonly hlc: ReturnType<typeof hlcOf>; readonly payload: Uint8Array }[] {
  return Array.from({ length: BATCH }, (_, at) => ({ hlc: hlcOf(turn + 1, at), payload: new Uint8Array(ENTRY_BYTES).fill(at) }));
}

function measured(): { done(entries: number): void; round(): Round } {
  const cpu = process.cpuUsage();
  const from = performance.now();
  let round: Round | undefined;
  return {
    done(entries) {
      const { user, system } = process.cpuUsage(cpu);
      round = { perSecond: entries / ((performance.now() - from) / 1_000), micros: (user + system) / entries };
    },
    round: () => round!,
  };
}
