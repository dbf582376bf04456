/** What befalls one of three real nodes, and what an operator does about it: a full disk, a lost one, damage, a twin. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { clusterArguments, clusterEnvironment, replicationOf } from '../harness/cluster-processes.js';
import { CopiedSpace, type CopyNode } from '../harness/copied-space.js';
import { freePorts } from '../harness/free-ports.js';
import { missingSmallDisk, SmallDisk } from '../harness/small-disk.js';

const engram = resolve(import.meta.dirname, '../../apps/server/bin/engram.js');
const limitMs = 60_000;
/** Few partitions, so that a lost disk is filled within seconds. */
const environment = { ENGRAM_CLUSTER_PLACEMENT_PARTITIONS: '16' };

/** A start that is to be refused: its exit code and what it says. */
function startRefused({ environment }: CopiedSpace, { dataDirectory, ...node }: Pick<CopyNode, 'name' | 'swimPort' | 'dataDirectory'>): { status: number | null; said: string } {
  const argv = [engram, 'start', '--data-dir', dataDirectory, ...clusterArguments(node), '--http-port', '0', '--grpc-port', '0'];
  const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: limitMs, env: { ...process.env, ...clusterEnvironment, ...environment } });
  return { status, said: stdout + stderr };
}

/** With the disk that it has now it votes, and every partition has a copy on it that counts. */
async function whenRebuilt(copies: CopiedSpace, node: CopyNode): Promise<void> {
  // The others gave up the copies and the vote of the disk before, which it hears of; then it was taken in anew.
  await expect.poll(() => node.process.output(), { timeout: limitMs }).toMatch(new RegExp(`voters are [^"]*${node.name}`));
  await expect.poll(() => replicationOf(node.process), { timeout: limitMs }).toMatchObject({ under_replicated: [] });
  await copies.settle();
  await copies.whenHeldBy(copies.nodes);
}

describe('one of three nodes', () => {
  let copies: CopiedSpace;
  beforeAll(async () => {
    copies = await CopiedSpace.start('copied', { environment });
    await copies.settle();
    for (let at = 0; at < 40; at += 1) await copies.store(copies.nodes, `before anything ${at}`);
  });
  afterAll(() => copies?.close());
  beforeEach(() => copies.settle());

  test('keeps its id: a later process under it is refused and told who has it, and nobody is disturbed', async () => {
    const third = copies.node('engram-3');
    // With a disk of its own, as somebody has it who copied a configuration.
    const elsewhere = mkdtempSync(join(tmpdir(), 'engram-twin-'));
    try {
      const [swimPort] = (await freePorts(1)) as [number];
      const { status, said } = startRefused(copies, { name: third.name, swimPort, dataDirectory: join(elsewhere, 'data') });
      expect({ status, said }).toMatchObject({ status: 1, said: expect.stringContaining(`The node id engram-3 is taken: another process runs as engram-3, and answers at 127.0.0.1:${third.swimPort}; it was started at 20`) as string });
      expect(said).toContain('--node-id');
    } finally {
      rmSync(elsewhere, { recursive: true, force: true });
    }
    await copies.store([third], 'undisturbed');
    expect((await copies.get<{ reasons: string[] }>(third, '/api/v1/system/status')).reasons).toEqual([]);
    await copies.whenHeldBy(copies.nodes);
  });

  test('whose disk is lost comes back under its id with an empty one, and is filled, and votes again', async () => {
    const lost = copies.node('engram-2');
    await lost.process.kill('SIGKILL');
    rmSync(lost.dataDirectory, { recursive: true });
    await copies.store(copies.others(lost), 'while the disk was away');
    await copies.start(lost);
    for (let at = 0; at < 10; at += 1) await copies.store(copies.others(lost), `while it is filled ${at}`);
    await whenRebuilt(copies, lost);
    // Its copies count: with another node away, they are needed for a majority.
    const [away] = copies.others(lost);
    await away!.process.kill('SIGKILL');
    await copies.store(copies.others(away!), 'with the new disk and without another node');
    await copies.whenHeldBy(copies.others(away!));
  });

  test('that lost what it promised does not start, and says what to do; with an empty disk it comes back', async () => {
    const forgetful = copies.node('engram-2');
    await forgetful.process.kill('SIGKILL');
    rmSync(join(forgetful.dataDirectory, 'cluster'), { recursive: true });
    const { status, said } = startRefused(copies, forgetful);
    expect(status).toBe(1);
    expect(said).toContain('what it promised to that cluster is gone');
    expect(said).toContain('an empty one, under the same node id');
    renameSync(forgetful.dataDirectory, `${forgetful.dataDirectory}.away`);
    await copies.store(copies.others(forgetful), 'while it forgot');
    await copies.start(forgetful);
    await whenRebuilt(copies, forgetful);
  });

  test('whose log is damaged does not start, and names the place; with an empty disk it gets from the others what it had', async () => {
    const damaged = copies.node('engram-2');
    await damaged.process.kill('SIGKILL');
    const wal = join(damaged.dataDirectory, 'wal');
    const file = readdirSync(wal).filter((name) => name.endsWith('.wal')).sort().map((name) => join(wal, name)).find((path) => readFileSync(path).includes('before anything 7'))!;
    const bytes = readFileSync(file);
    const at = bytes.indexOf('before anything 7');
    bytes[at] = bytes[at]! ^ 1;
    writeFileSync(file, bytes);
    const { status, said } = startRefused(copies, damaged);
    expect(status).toBe(1);
    expect(said).toContain(file);
    expect(said).toMatch(/at byte \d+/);
    renameSync(damaged.dataDirectory, `${damaged.dataDirectory}.damaged`);
    await copies.start(damaged);
    await whenRebuilt(copies, damaged);
  });
});

if (missingSmallDisk !== undefined) console.log(`skipped: the test of a replica with a full disk: ${missingSmallDisk}`);

describe.runIf(missingSmallDisk === undefined)('a replica whose disk is full', () => {
  let disk: SmallDisk;
  let copies: CopiedSpace;
  beforeAll(async () => {
    disk = new SmallDisk(48);
    copies = await CopiedSpace.start('space-0', { environment, dataDirectories: { 'engram-3': join(disk.directory, 'data') } });
    await copies.settle();
  });
  afterAll(async () => {
    await copies?.close();
    disk.remove();
  });

  test('says so, holds nobody up, and catches up when there is space', async () => {
    const full = copies.node('engram-3');
    // Some space that another node leads.
    for (let tries = 1; tries < 20; tries += 1) {
      await copies.store(copies.nodes, `in ${copies.space}`);
      if ((await copies.primary()) !== full) break;
      copies.space = `space-${tries}`;
      copies.acknowledged.clear();
    }
    const leading = await copies.primary();
    expect(leading).not.toBe(full);
    const status = (node: CopyNode) => copies.get<{ status: string; reasons: string[] }>(node, '/api/v1/system/status');

    disk.fill();
    // The log has some room laid out, and the store says sooner than the log that it has none.
    const isFull = async (): Promise<boolean> => (await status(full)).reasons.some((reason) => reason.includes('writes resume when space returns'));
    for (let at = 0; !(await isFull()); at += 1) {
      expect(at).toBeLessThan(1_000);
      const { answer } = await copies.store([leading], `while filling ${at} ${'x'.repeat(20_000)}`);
      expect(answer.body.durability!.copies).toBeGreaterThanOrEqual(2);
    }
    for (let at = 0; at < 20; at += 1) expect((await copies.store([leading], `while it is full ${at} ${'x'.repeat(20_000)}`)).answer.body.durability).toMatchObject({ requested: 'quorum', copies: 2 });
    await copies.whenHeldBy(copies.others(full));
    expect((await copies.heldBy(full)).size).toBeLessThan(copies.acknowledged.size);
    expect((await status(full)).status).toBe('degraded');
    expect((await status(leading)).status).toBe('healthy');

    disk.empty();
    await copies.whenHeldBy(copies.nodes);
    await expect.poll(async () => (await status(full)).status, { timeout: limitMs }).toBe('healthy');
    await copies.store([full], 'through the one that was full');
    await copies.whenHeldBy(copies.nodes);
  });
});
