import { Random } from '@engram/kernel';
import { expect, test } from 'vitest';
import { lsn, openWriteAheadLog, type WriteAheadLog } from '../src/index.js';
import { entryOf } from './log-fixtures.js';
import { SimulatedFileSystem, type BrokenPromise } from './simulated-file-system.js';

const options = {
  directory: '/log', segmentBytesMax: 4_096, groupBytesMax: 2_048, entryBytesMax: 1_024, retainBytes: 0, layOutBytes: 1_500, sealAfterMs: 3_600_000,
};

interface Promised {
  /** Sequence numbers by position, as acknowledged. */
  readonly acknowledged: Map<number, number>;
  checkpoint: number;
}

/** Two lives of a log: appends alone and together, over several segments, a checkpoint, an orderly close, and a reopening. */
async function script(fileSystem: SimulatedFileSystem, promised: Promised): Promise<void> {
  let sequence = 0;
  const append = async (log: WriteAheadLog, entries: number): Promise<void> => {
    const sequences = Array.from({ length: entries }, () => ++sequence);
    const { first } = await log.append(sequences.map((number) => entryOf(number, 20 + ((number * 53) % 400))));
    sequences.forEach((number, index) => promised.acknowledged.set(first + index, number));
  };
  for (let life = 0; life < 2; life++) {
    const log = await openWriteAheadLog({ ...options, fileSystem });
    for (let round = 0; round < 10; round++) {
      await Promise.all(Array.from({ length: 1 + (round % 4) }, (_, index) => append(log, 1 + (index % 3))));
      if (round === 7) {
        promised.checkpoint = log.status().durableLsn - 5;
        await log.checkpoint(lsn(promised.checkpoint));
      }
    }
    await log.close();
  }
}

/** Lets `work` run until it ends or the power goes. */
async function untilPowerCut(start: (cut: () => void) => Promise<unknown>): Promise<'finished' | 'dark'> {
  let cut = (): void => undefined;
  const dark = new Promise<'dark'>((resolve) => { cut = () => resolve('dark'); });
  return Promise.race([start(() => cut()).then(() => 'finished' as const), dark]);
}

/** What is wrong with the log as it was found after the power came back; undefined when every promise was kept. */
async function brokenPromise(fileSystem: SimulatedFileSystem, promised: Promised): Promise<{ readonly violation?: string; readonly tornTail: boolean }> {
  const log = await openWriteAheadLog({ ...options, fileSystem });
  const { firstLsn, nextLsn, tornTail: tail } = log.recovery;
  const tornTail = tail !== undefined;
  if (firstLsn > promised.checkpoint + 1) return { violation: `the log begins at ${firstLsn}, checkpoint was ${promised.checkpoint}`, tornTail };
  let position: number = firstLsn;
  for await (const { lsn: read, entry } of log.read(firstLsn)) {
    const expected = promised.acknowledged.get(read) ?? entry.seq;
    const unaltered = Buffer.compare(entry.payload, entryOf(entry.seq, entry.payload.length).payload) === 0;
    if (read !== position || entry.seq !== expected || !unaltered) return { violation: `entry ${read} is ${entry.seq}, expected ${expected} at ${position}`, tornTail };
    position++;
  }
  if (position !== nextLsn) return { violation: `${nextLsn} should be next, read up to ${position}`, tornTail };
  const lost = [...promised.acknowledged.keys()].find((acknowledged) => acknowledged >= nextLsn);
  if (lost !== undefined) return { violation: `acknowledged entry ${lost} is lost, next is ${nextLsn}`, tornTail };
  const { first } = await log.append([entryOf(10_000)]);
  await log.close();
  return first === nextLsn ? { tornTail } : { violation: `the log goes on at ${first}, not at ${nextLsn}`, tornTail };
}

/** Cuts the power at each operation in turn, and in half of the cases once more while the log is being opened again. */
async function cutEverywhere(broken?: BrokenPromise): Promise<{ readonly violation?: string; readonly cuts: number; readonly tornTails: number }> {
  const random = Random.fromSeed('power cut');
  let tornTails = 0;
  for (let at = 1; ; at++) {
    const promised: Promised = { acknowledged: new Map(), checkpoint: 0 };
    let fileSystem = new SimulatedFileSystem();
    const ended = await untilPowerCut((cut) => {
      fileSystem = new SimulatedFileSystem(at, cut, broken);
      return script(fileSystem, promised);
    });
    for (let image = 0; image < 4; image++) {
      let found = fileSystem;
      if (random.chance(0.5)) {
        await untilPowerCut((cut) => {
          found = fileSystem.afterPowerCut(random, 1 + random.below(8), cut);
          return openWriteAheadLog({ ...options, fileSystem: found }).catch(() => undefined);
        });
      }
      const result = await brokenPromise(found.afterPowerCut(random), promised).catch((error: unknown) => ({ violation: String(error), tornTail: false }));
      if (result.violation !== undefined) return { violation: `power cut at operation ${at}: ${result.violation}`, cuts: at, tornTails };
      if (result.tornTail) tornTails++;
    }
    if (ended === 'finished') return { cuts: at - 1, tornTails };
  }
}

test('the power may go at any operation of the disk: what comes back is a prefix with everything acknowledged, and the log goes on', { timeout: 60_000 }, async () => {
  const { violation, cuts, tornTails } = await cutEverywhere();
  expect(violation).toBeUndefined();
  // Guards against a script that became too short to mean anything.
  expect(cuts).toBeGreaterThan(120);
  expect(tornTails).toBeGreaterThan(20);
});

test.each<[BrokenPromise, RegExp]>([
  ['data sync does nothing', /lost|damaged/],
  ['directory sync does nothing', /lost|damaged/],
])('a disk that breaks its promise is found out: %s', { timeout: 60_000 }, async (broken, violation) => {
  expect((await cutEverywhere(broken)).violation).toMatch(violation);
});
