/**
 * Installs the dependencies when they are missing or older than the lock file. Runs before anything is installed, so it
 * uses nothing but Node.
 */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const root = resolve(import.meta.dirname, '../..');

const NODE_MIN = [20, 19];

/** @returns {void} Ends the process with a clear message when it cannot go on. */
export function ensureInstalled() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    console.error(`Engram needs Node ${NODE_MIN.join('.')} or newer; this is ${process.version}.`);
    process.exit(1);
  }
  // npm leaves its own record of what it installed; one that is older than the lock file is out of date.
  const installed = modifiedAt(join(root, 'node_modules', '.package-lock.json'));
  if (installed !== undefined && installed >= (modifiedAt(join(root, 'package-lock.json')) ?? 0)) return;
  console.log('Installing dependencies (npm ci) …');
  const { status } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' });
  if (status !== 0) {
    console.error('npm ci failed; its message is above. Nothing was started.');
    process.exit(status ?? 1);
  }
}

/** @returns {number | undefined} milliseconds since 1970, undefined when there is no such file */
function modifiedAt(file) {
  return statSync(file, { throwIfNoEntry: false })?.mtimeMs;
}

if (process.argv[1] === import.meta.filename) ensureInstalled();
