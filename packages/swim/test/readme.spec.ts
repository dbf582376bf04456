import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
/** Inside the package, so that imports resolve as its own dependencies do; out of sight of git and lint. */
const scratch = join(root, 'out-tsc', 'readme-spec');
const running: ChildProcess[] = [];

beforeAll(() => void mkdirSync(scratch, { recursive: true }));
afterEach(() => running.splice(0).forEach((child) => child.kill('SIGKILL')));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function blockOf(language: string): string {
  return new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``).exec(readme)?.[1] ?? '';
}

function run(file: string, ...args: string[]) {
  const child = spawn(process.execPath, ['--conditions=@engram/source', '--import', 'tsx', join(scratch, file), ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  running.push(child);
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  return { child, output: () => output, prints: (text: string) => vi.waitFor(() => expect(output).toContain(text), { timeout: 20_000, interval: 20 }) };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

test('the first example prints what is printed below it, and ends by itself', async () => {
  writeFileSync(join(scratch, 'example.mts'), blockOf('ts'));
  const example = run('example.mts');
  const [code] = (await once(example.child, 'close')) as [number];
  expect([code, example.output()]).toEqual([0, blockOf('text')]);
}, 30_000);

test('two terminals see each other join, leave and die', async () => {
  writeFileSync(join(scratch, 'peer.mjs'), blockOf('js'));
  const first = `127.0.0.1:${await freePort()}`;
  const second = `127.0.0.1:${await freePort()}`;
  const api1 = run('peer.mjs', 'api-1', first);
  await api1.prints(`api-1 listens on ${first}\n`);
  const api2 = run('peer.mjs', 'api-2', second, first);
  await api2.prints(`api-2 listens on ${second}\njoined api-1\n`);
  await api1.prints('joined api-2\n');
  api2.child.kill('SIGINT');
  expect(await once(api2.child, 'close')).toEqual([0, null]);
  await api1.prints('left api-2\n');

  const again = run('peer.mjs', 'api-2', second, first);
  await again.prints('joined api-1\n');
  again.child.kill('SIGKILL');
  await api1.prints('suspect api-2\ndead api-2\n');
}, 60_000);
