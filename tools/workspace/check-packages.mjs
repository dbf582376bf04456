/**
 * What a user of one package gets: `publint` and `attw` over the packed tarball, then an outside project that installs
 * the tarballs and imports every public entry point, with `import` and with `require` (Node 20.19 and newer).
 * Needs the build.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root } from './ensure-installed.mjs';

const directories = [...readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name)), join(root, 'apps/server'), join(root, 'apps/netsim')];
const packages = directories.map((directory) => ({ directory, manifest: JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8')) }));
const outside = mkdtempSync(join(tmpdir(), 'engram-outside-'));
let failures = 0;

/** Prints one line per check, and all of the output of a check that failed. */
function check(what, command, args, options = {}) {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: root, ...options });
  console.log(`${status === 0 ? 'ok  ' : 'FAIL'}  ${what}`);
  if (status === 0) return;
  failures += 1;
  console.log(`${stdout}${stderr}`);
}

try {
  const tarballs = packages.map(({ directory }) => {
    const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', outside], { cwd: directory, encoding: 'utf8' }));
    return { file: join(outside, packed.filename.replace('@', '').replace('/', '-')), files: packed.files.map(({ path }) => path) };
  });
  for (const [index, { directory, manifest }] of packages.entries()) {
    const { file, files } = tarballs[index];
    for (const wanted of ['README.md', 'LICENSE']) {
      if (!files.includes(wanted)) {
        console.log(`FAIL  ${manifest.name}: the tarball has no ${wanted}`);
        failures += 1;
      }
    }
    check(`${manifest.name}: publint`, 'npx', ['publint', '--strict', directory]);
    if (manifest.exports) check(`${manifest.name}: are the types wrong?`, 'npx', ['attw', file, '--profile', 'esm-only', '--no-color']);
  }

  writeFileSync(join(outside, 'package.json'), JSON.stringify({ name: 'outside', private: true, type: 'module' }));
  check('an outside project installs the tarballs', 'npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', ...tarballs.map(({ file }) => file)], { cwd: outside });
  const entries = packages.flatMap(({ manifest }) =>
    Object.keys(manifest.exports ?? {})
      .filter((path) => path !== './package.json')
      .map((path) => manifest.name + path.slice(1)),
  );
  writeFileSync(join(outside, 'esm.mjs'), entries.map((name) => `if (Object.keys(await import('${name}')).length === 0) throw new Error('${name} exports nothing');`).join('\n'));
  writeFileSync(join(outside, 'cjs.cjs'), entries.map((name) => `if (Object.keys(require('${name}')).length === 0) throw new Error('${name} exports nothing');`).join('\n'));
  check(`import of ${entries.join(', ')}`, process.execPath, ['esm.mjs'], { cwd: outside });
  check('require() of the same', process.execPath, ['--no-warnings', 'cjs.cjs'], { cwd: outside });
  check('npx netsim run', join(outside, 'node_modules/.bin/netsim'), ['run', '--scenario', 'kill-one', '--seed', '1'], { cwd: outside });
  check('npx engram --version', join(outside, 'node_modules/.bin/engram'), ['--version'], { cwd: outside });
} finally {
  rmSync(outside, { recursive: true, force: true });
}
process.exitCode = failures > 0 ? 1 : 0;
