import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { has, startDnsmasq } from './dns-servers.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
/** Inside the package, so that imports resolve as its own dependencies do; out of sight of git and lint. */
const scratch = join(root, 'out-tsc', 'readme-spec');

beforeAll(() => void mkdirSync(scratch, { recursive: true }));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const blocks = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code = '']) => code);

function blockWith(text: string): string {
  const found = blocks.filter((code) => code.includes(text)).at(-1);
  if (found === undefined) throw new Error(`no example shows ${text}`);
  return found;
}

async function outputOf(name: string, code: string): Promise<string> {
  writeFileSync(join(scratch, `${name}.mts`), code);
  // No credentials and no instance: what a source looks for must not depend on where the test runs.
  const env = { PATH: process.env['PATH'], HOME: scratch, AWS_EC2_METADATA_DISABLED: 'true' };
  const child = spawn(process.execPath, ['--conditions=@engram/source', '--import', 'tsx', join(scratch, `${name}.mts`)], { stdio: ['ignore', 'pipe', 'inherit'], env });
  let output = '';
  child.stdout.on('data', (text: Buffer) => (output += text.toString()));
  const [code_] = (await once(child, 'close')) as [number];
  expect([name, code_]).toEqual([name, 0]);
  return output;
}

test('the first example prints what is printed below it, and ends by itself', async () => {
  expect(await outputOf('first', blocks[0] ?? '')).toBe(/```text\n([\s\S]*?)```/.exec(readme)?.[1]);
}, 30_000);

test('the example of static seeds finds this machine', async () => {
  expect(await outputOf('static', blockWith('localhost:7946'))).toContain("'127.0.0.1:7946'");
}, 30_000);

test.skipIf(!has('dnsmasq', '--version'))('the example of DNS finds what a server has', async () => {
  const server = await startDnsmasq(['srv-host=_engram._tcp.test,node1.test,7947', 'host-record=node1.test,10.0.0.1']);
  try {
    expect(await outputOf('dns', blockWith('dnsSource').replace('127.0.0.1:5300', server.address))).toContain("endpoints: [ '10.0.0.1:7947' ]");
  } finally {
    await server.stop();
  }
}, 30_000);

test('the example of multicast registers', async () => {
  expect(await outputOf('multicast', blockWith('multicastSource'))).toContain("{ registered: [ 'multicast' ], failures: [] }");
}, 30_000);

test('the example of a source of one’s own names it', async () => {
  expect(await outputOf('own', blockWith('inventory'))).toContain("'10.0.0.8:7946': [ 'inventory' ]");
}, 30_000);

describe('examples of registries end in order where there is no registry, and say which one was not found', () => {
  test.each([
    ['consul', 'consulSource', '127.0.0.1:8500'],
    ['etcd', 'etcdSource', '127.0.0.1:2379'],
    ['kubernetes', 'kubernetesSource', '127.0.0.1:6443'],
    ['aws', 'awsSource', undefined],
  ])('%s', async (source, call, address) => {
    const code = blockWith(call);
    // Port 1 of the loopback: nothing listens there, also on a machine that runs such a registry.
    const output = await outputOf(source, address === undefined ? code : code.replace(address, '127.0.0.1:1'));
    expect(output).toContain('complete: false');
    expect(output).toContain(`source: '${source}'`);
  }, 30_000);
});
