import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const readme = readFileSync(join(root, 'README.md'), 'utf8');
/** Inside the package, so that imports resolve as its own dependencies do; out of sight of git and lint. */
const scratch = join(root, 'out-tsc', 'readme-spec');
const examples = [...readme.matchAll(/```ts\n([\s\S]*?)```[\s\S]*?It prints:\n\n```text\n([\s\S]*?)```/g)];

beforeAll(() => void mkdirSync(scratch, { recursive: true }));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test.each([['log', 0], ['replication', 1]])('the example of the %s prints what is printed below it', async (name, index) => {
  const file = join(scratch, `${name}.mts`);
  const [, code = '', printed] = examples[index]!;
  writeFileSync(file, code);
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@engram/source', '--import', 'tsx', file]);
  expect(stdout).toBe(printed);
}, 30_000);
