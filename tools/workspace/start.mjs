/** `npm start`: one node on loopback with its data under ./data, as by default. Arguments after `--` go to `engram start`. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { ensureInstalled, root } from './ensure-installed.mjs';

ensureInstalled();

// From source, so that a fresh clone needs no build.
const main = join(root, 'apps/server/src/main.ts');
const node = spawn(
  process.execPath,
  ['--conditions=@engram/source', '--import', 'tsx', main, 'start', ...process.argv.slice(2)],
  { cwd: root, stdio: 'inherit' },
);
// The terminal sends Ctrl-C to both; whoever stops only this process means the node.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => node.kill(signal));
// A signal sent to npm alone ends npm and its shell but does not reach us: an orphaned node would hold the port for ever.
const parent = process.ppid;
setInterval(() => process.ppid !== parent && node.kill('SIGTERM'), 500).unref();
node.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)));
