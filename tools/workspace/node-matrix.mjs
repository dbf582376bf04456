/**
 * Runs a command of this workspace on other versions of Node, which the npm package `node` brings:
 * `npm run test:matrix` runs `npm test` on Node 22 and 24, `npm run test:matrix -- 22 npm test -- unit build` something else.
 * Each version works on its own copy of the tree, because native parts are chosen at installation.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { root } from './ensure-installed.mjs';

const args = process.argv.slice(2);
const versions = args[0] ? args[0].split(',') : ['22', '24'];
const command = args.length > 1 ? args.slice(1) : ['npm', 'test'];
let failures = 0;

for (const version of versions) {
  const scratch = mkdtempSync(join(tmpdir(), `engram-node${version}-`));
  try {
    mkdirSync(join(scratch, 'node'));
    // npm runs no installation script unless it is allowed to; that of `node` fetches the binary of this platform.
    writeFileSync(join(scratch, 'node/package.json'), JSON.stringify({ private: true, allowScripts: { node: true } }));
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', `node@${version}`], { cwd: join(scratch, 'node'), stdio: 'inherit' });
    const bin = join(scratch, 'node/node_modules/node/bin');
    execFileSync('git', ['clone', '--quiet', root, join(scratch, 'clone')], { stdio: 'inherit' });
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
    console.log(`\n══ ${execFileSync(join(bin, 'node'), ['--version'], { encoding: 'utf8' }).trim()}: ${command.join(' ')}`);
    const { status } = spawnSync(command[0], command.slice(1), { cwd: join(scratch, 'clone'), stdio: 'inherit', env });
    if (status !== 0) failures += 1;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
console.log(`${versions.length - failures} passed, ${failures} failed`);
process.exitCode = failures > 0 ? 1 : 0;
