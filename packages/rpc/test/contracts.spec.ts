import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test } from 'vitest';

const packageRoot = fileURLToPath(new URL('..', import.meta.url));
const buf = join(dirname(createRequire(import.meta.url).resolve('@bufbuild/buf/package.json')), 'bin', 'buf');
const binaries = join(dirname(createRequire(import.meta.url).resolve('ts-proto/package.json')), '..', '.bin');

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true, force: true })));

/** A copy of the contracts, to be broken. */
function contractsWith(change: { readonly file: string; readonly from: string; readonly to: string }): string {
  const folder = mkdtempSync(join(tmpdir(), 'engram-contracts-'));
  folders.push(folder);
  for (const name of ['buf.yaml', 'proto']) cpSync(join(packageRoot, name), join(folder, name), { recursive: true });
  const path = join(folder, 'proto/engram/v1', change.file);
  const before = readFileSync(path, 'utf8');
  expect(before).toContain(change.from);
  writeFileSync(path, before.replace(change.from, change.to));
  return folder;
}

function run(command: string, args: readonly string[], cwd: string): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', env: { ...process.env, PATH: `${binaries}${delimiter}${process.env['PATH']}` } });
  return { status, output: stdout + stderr };
}

test('the generated code is what the contracts generate', { timeout: 60_000 }, () => {
  expect(run(process.execPath, ['scripts/check-fresh.mjs'], packageRoot)).toEqual({ status: 0, output: '' });
});

test('the contracts break no released one and obey the lint rules', { timeout: 60_000 }, () => {
  expect(run(process.execPath, [buf, 'breaking', '--against', 'proto/released.binpb'], packageRoot)).toEqual({ status: 0, output: '' });
  expect(run(process.execPath, [buf, 'lint'], packageRoot)).toEqual({ status: 0, output: '' });
});

test('the golden bytes mean the same to another implementation of the format', { timeout: 60_000 }, () => {
  const bytes = Buffer.from(readFileSync(join(packageRoot, 'test/golden/store-request.hex'), 'utf8').replace(/\s/g, ''), 'hex');
  const convert = ['convert', 'proto/released.binpb', '--type', 'engram.v1.StoreRequest', '--from', '-#format=binpb', '--to', '-#format=json'];

  const { stdout } = spawnSync(process.execPath, [buf, ...convert], { cwd: packageRoot, encoding: 'utf8', input: bytes });

  expect(JSON.parse(stdout)).toEqual({
    draft: {
      content: 'Zoë met Ada in Kraków — tea at five. 🫖',
      memorySpace: 'work-notes',
      tags: ['people', 'tea'],
      confidence: 0,
      embedding: [0.5, -1.25, 0],
      when: '1969-12-31T23:59:59.999Z',
      metadata: { source: 'chat', turn: 3, quoted: false, parent: null, path: ['a', { b: [] }] },
      id: '01J9ZC6Q5V0000000000000000',
    },
    idempotencyKey: 'retry-7',
    ack: 'ACK_LEVEL_QUORUM',
  });
});

test('a changed field type is reported as breaking', { timeout: 60_000 }, () => {
  const folder = contractsWith({ file: 'types.proto', from: 'string content = 1;', to: 'bytes content = 1;' });

  const { status, output } = run(process.execPath, [buf, 'breaking', '--against', 'proto/released.binpb'], folder);

  expect(status).not.toBe(0);
  expect(output).toContain('"content"');
});

test('a field without a comment is reported by the lint', { timeout: 60_000 }, () => {
  const folder = contractsWith({ file: 'memory.proto', from: '  // Id of the memory. Required.\n', to: '' });

  const { status, output } = run(process.execPath, [buf, 'lint'], folder);

  expect(status).not.toBe(0);
  expect(output).toContain('comment');
});
