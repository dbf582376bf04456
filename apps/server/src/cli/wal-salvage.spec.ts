import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { resolveConfig } from '../config/index.js';
import { startServer, type RunningServer } from '../server.js';
import { run } from './fake-cli.js';

let dataDir: string;
beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), 'engram-salvage-'))));
afterEach(() => rmSync(dataDir, { recursive: true }));

function start(): Promise<RunningServer> {
  return startServer(resolveConfig({ env: {}, flags: { dataDir, httpPort: '0', grpcPort: '0' } }), pino({ level: 'silent' }));
}

async function storeThree(): Promise<void> {
  const server = await start();
  for (const id of ['a', 'b', 'c']) await run(['store', `memory ${id}`, '--id', id, '--url', `http://${server.httpAddress}`]);
  await server.close('the test');
}

function damageLog(): void {
  const wal = join(dataDir, 'wal');
  const segment = join(wal, readdirSync(wal).find((name) => name.endsWith('.wal') || name.endsWith('.log') || /^\d+/.test(name))!);
  const bytes = readFileSync(segment);
  const middle = bytes.indexOf('memory b');
  bytes[middle] = bytes[middle]! ^ 0xff;
  writeFileSync(segment, bytes);
}

test('a log without damage is left alone', async () => {
  await storeThree();
  const { code, out } = await run(['wal-salvage', '--data-dir', dataDir]);
  expect([code, out]).toEqual([0, expect.stringMatching(/^The log is good: \d+ entries\. Nothing was changed\.\n$/)]);
});

test('a damaged log is first looked at, then repaired, and the node starts again with all it had', async () => {
  await storeThree();
  damageLog();
  await expect(start()).rejects.toMatchObject({ code: 'log_damaged', hint: expect.stringContaining('engram wal-salvage --data-dir') as string });

  const dry = await run(['wal-salvage', '--data-dir', dataDir, '--dry-run']);
  expect(dry.code).toBe(0);
  expect(dry.out).toMatch(/^2 entries can be read and would be kept\.\nunreadable: .*\(entry 2\)\n.* would be moved to .*\nNothing was changed\. Run it without --dry-run to do it\.\n$/);
  await expect(start()).rejects.toMatchObject({ code: 'log_damaged' });

  const { code, out } = await run(['wal-salvage', '--data-dir', dataDir, '--json']);
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ needed: true, dryRun: false, entriesKept: 2, losses: [{ firstLsn: 2, lastLsn: 2 }] });

  // The store had applied all three before the log was damaged, so nothing is missing.
  const server = await start();
  const listed = await run(['list', '--json', '--url', `http://${server.httpAddress}`]);
  expect((JSON.parse(listed.out) as { memories: { id: string }[] }).memories.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
  expect(await run(['store', 'memory d', '--id', 'd', '--url', `http://${server.httpAddress}`])).toMatchObject({ code: 0 });
  await server.close('the test');
});

test('a running node keeps its log', async () => {
  const server = await start();
  const { code, err } = await run(['wal-salvage', '--data-dir', dataDir]);
  expect(code).toBe(1);
  expect(err).toMatch(/^error: The data directory .* is in use by another engram process/);
  await server.close('the test');
});

test('a folder that is no data directory is not made into one', async () => {
  const { code, err } = await run(['wal-salvage', '--data-dir', join(dataDir, 'other')]);
  expect(code).toBe(2);
  expect(err).toMatch(/^error: .*other holds no write-ahead log\nhint: Name the data directory/);
  expect(readdirSync(dataDir)).toEqual([]);
});
