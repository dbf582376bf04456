import { EngramError } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import type { ApiClient } from './api-client.js';
import { fakeCli, run } from './fake-cli.js';
import { status } from './status.js';
import type { SystemStatus } from './wire-types.js';

const healthy: SystemStatus = {
  node: 'node-1',
  version: '0.1.0',
  status: 'healthy',
  reasons: [],
  uptime_ms: 93_784_000,
  memories: 12,
  spaces: 2,
  data_bytes: 1_500_000,
  data_directory: '/data',
  log: { state: 'accepting', segments: 1, bytes: 100, durable_lsn: 12 },
  peers: { alive: 0, suspect: 0, dead: 0, left: 0 },
};

/** A client whose node answers one thing after the other. */
function answering(...answers: (SystemStatus | EngramError)[]): ApiClient {
  const next = () => (answers.length > 1 ? answers.shift()! : answers[0]!);
  return { url: 'http://node', status: async () => { const answer = next(); if (answer instanceof EngramError) throw answer; return answer; } } as unknown as ApiClient;
}

describe('the exit code', () => {
  test.each([
    ['healthy', 0],
    ['failed', 1],
    ['degraded', 3],
    ['no_quorum', 4],
  ] as const)('of a node that is %s is %i', async (word, code) => {
    expect(await status(fakeCli(), answering({ ...healthy, status: word }), { timeout: 1 })).toBe(code);
  });

  test('of a node that does not answer is 1', async () => {
    const { code, out, err } = await run(['status', '--url', 'http://127.0.0.1:1']);
    expect([code, out]).toEqual([1, '']);
    expect(err).toMatch(/^error: no node answers at http:\/\/127\.0\.0\.1:1: nothing listens there\nhint: Start one/);
  });

  test('of a node that does not answer is 1 for scripts too, which get JSON', async () => {
    const { code, out, err } = await run(['status', '--json'], { env: { ENGRAM_URL: 'http://127.0.0.1:1' } });
    expect([code, err]).toEqual([1, '']);
    expect(JSON.parse(out)).toMatchObject({ status: 'unreachable', url: 'http://127.0.0.1:1', error: { code: 'unavailable' } });
  });
});

test('people get a table, why the node is not well, and its peers', async () => {
  const cli = fakeCli();
  await status(cli, answering({ ...healthy, status: 'degraded', reasons: ['the disk is full'], log: { ...healthy.log, state: 'full' } }), { timeout: 1 });
  expect(cli.printed.out).toMatchInlineSnapshot(`
    "┌────────┬─────────┬────────┬──────────┬──────────┬────────┬──────┬───────────────┬─────────┐
    │ node   │ version │ uptime │ health   │ memories │ spaces │ log  │ durability    │ bytes   │
    ├────────┼─────────┼────────┼──────────┼──────────┼────────┼──────┼───────────────┼─────────┤
    │ node-1 │ 0.1.0   │ 1d 2h  │ degraded │ 12       │ 2      │ full │ no new writes │ 1.4 MiB │
    └────────┴─────────┴────────┴──────────┴──────────┴────────┴──────┴───────────────┴─────────┘
    because: the disk is full
    alive: 0
    suspect: 0
    dead: 0
    "
  `);
});

test('peers that died and peers that left are both counted as dead, and are no fault of the node', async () => {
  const cli = fakeCli();
  const code = await status(cli, answering({ ...healthy, peers: { alive: 4, suspect: 1, dead: 1, left: 2 } }), { timeout: 1 });
  expect(cli.printed.out).toMatch(/\nalive: 4\nsuspect: 1\ndead: 3\n$/);
  expect(code).toBe(0);
});

test('scripts get what the node said', async () => {
  const cli = fakeCli();
  await status(cli, answering(healthy), { timeout: 1, json: true });
  expect(JSON.parse(cli.printed.out)).toEqual(healthy);
});

test('colour is for terminals whose user has not refused it', async () => {
  const outputs = await Promise.all(
    [{}, { isTTY: true }, { isTTY: true, env: { NO_COLOR: '1' } }].map(async (world) => {
      const cli = fakeCli(world);
      await status(cli, answering(healthy), { timeout: 1 });
      return cli.printed.out.includes('\u001b[');
    }),
  );
  expect(outputs).toEqual([false, true, false]);
});

test('watching goes on through an outage until it is interrupted, and exits as the node was last', async () => {
  const cli = fakeCli({
    onPause: (before, world) => {
      if (before === 2) world.interrupt();
    },
  });
  const gone = new EngramError('unavailable', 'no node answers');
  const code = await status(cli, answering(healthy, gone, { ...healthy, status: 'degraded' }), { timeout: 1, watch: true });
  expect(code).toBe(3);
  expect(cli.pauses).toEqual([2_000, 2_000, 2_000]);
  expect(cli.printed.out.match(/healthy|unreachable|degraded/g)).toEqual(['healthy', 'unreachable', 'degraded']);
});
