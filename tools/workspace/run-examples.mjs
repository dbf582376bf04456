/**
 * Runs the first `ts` block of every package README exactly as printed, from source, in an empty directory. An example
 * that fails, hangs or prints nothing fails the check: what a README shows must be true.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { root } from './ensure-installed.mjs';

const LIMIT_MS = 60_000;
const readmes = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name, 'README.md'));
let failures = 0;

for (const readme of readmes) {
  const name = relative(root, readme);
  const example = existsSync(readme) ? /```ts\n([\s\S]*?)```/.exec(readFileSync(readme, 'utf8'))?.[1] : undefined;
  if (example === undefined) {
    console.log(`FAIL  ${name}: no ts example`);
    failures += 1;
    continue;
  }
  // Inside the package, so that imports resolve as its own dependencies do; out of sight of git and lint.
  const scratch = join(readme, '..', 'out-tsc', 'readme-example');
  mkdirSync(scratch, { recursive: true });
  const file = join(scratch, 'example.mts');
  writeFileSync(file, example);
  try {
    const run = spawnSync(process.execPath, ['--conditions=@engram/source', '--import', 'tsx', file], {
      cwd: root,
      encoding: 'utf8',
      timeout: LIMIT_MS,
    });
    const problem = run.error ? run.error.message : run.status !== 0 ? `exit ${run.status}` : run.stdout.trim() === '' ? 'it printed nothing' : undefined;
    console.log(`${problem ? 'FAIL' : 'ok  '}  ${name}${problem ? `: ${problem}\n${run.stdout}${run.stderr}` : ''}`);
    if (problem) failures += 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
process.exitCode = failures > 0 ? 1 : 0;
