import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { createSwim } from '../src/index.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = join(root, 'out-tsc', 'stall-spec');

/** Another process, because a stall stops everybody in one. */
const neighbour = `
import { createSwim } from '@engram/swim';
const node = await createSwim({ cluster: 'stalls', name: 'neighbour', bind: '127.0.0.1:0', preset: 'fast', seeds: [process.argv[2]] });
await node.join();
`;

test('a process that could not run for a while hears its sockets before it judges anybody', async () => {
  mkdirSync(scratch, { recursive: true });
  const file = join(scratch, 'neighbour.mjs');
  writeFileSync(file, neighbour);
  const node = await createSwim({ cluster: 'stalls', name: 'staller', bind: '127.0.0.1:0', preset: 'fast' });
  const accused: string[] = [];
  node.on('suspect', ({ member }) => accused.push(member.name));
  await node.join();
  const child = spawn(process.execPath, ['--conditions=@engram/source', '--import', 'tsx', file, node.address], { stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    await vi.waitFor(() => expect(node.metrics().probes.acked).toBeGreaterThan(2), { timeout: 20_000 });
    // The loop turns once between stalls: a ping goes out, and its answer waits in the socket while the next stall lasts.
    for (let stall = 1; stall <= 10; stall++) {
      const until = performance.now() + 400;
      while (performance.now() < until);
      await new Promise(setImmediate);
    }
    const acked = node.metrics().probes.acked;
    await vi.waitFor(() => expect(node.metrics().probes.acked).toBeGreaterThan(acked), { timeout: 20_000 });
    expect(node.metrics().stalls).toBeGreaterThanOrEqual(3);
    expect(accused).toEqual([]);
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
    await node.close();
    rmSync(scratch, { recursive: true, force: true });
  }
}, 60_000);
