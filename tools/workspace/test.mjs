/**
 * `npm test`: everything that gates a change, in one command. Stops at nothing: every step runs, and the end says
 * which failed, and why: that comes last, as the end is all that some places show of a long output.
 * `npm test -- lint unit` runs only the steps named.
 */
import { spawn } from 'node:child_process';
import { ensureInstalled, root } from './ensure-installed.mjs';
import { LastLines, whatFailed } from './what-failed.mjs';

ensureInstalled();

const nx = ['npx', 'nx', 'run-many', '--parallel=2', '--output-style=static'];
const source = ['node', '--conditions=@engram/source', '--import', 'tsx'];

/** @type {readonly [name: string, what: string, command: readonly string[]][]} */
const steps = [
  ['sync', 'TypeScript project references are fresh', ['npx', 'nx', 'sync:check']],
  ['lint', 'lint: style, layers, purity of cores', [...nx, '-t', 'lint']],
  ['types', 'types, cores without Node’s', [...nx, '-t', 'typecheck']],
  ['api', 'the API reference: every public export says what it is, every link leads somewhere', ['node', 'tools/docs/api-reference.mjs', '--check', ...['cluster', 'discovery', 'kernel', 'memory', 'placement', 'replication', 'rpc', 'swim'].flatMap((name) => ['--package', name])]],
  ['unit', 'unit tests, laws, drivers on real files and sockets', ['npx', 'vitest', 'run']],
  ['build', 'build of every package', [...nx, '-t', 'build']],
  ['packages', 'packages: exports, types, packed and imported elsewhere', ['node', 'tools/workspace/check-packages.mjs']],
  ['examples', 'every README example runs', ['node', 'tools/workspace/run-examples.mjs']],
  ['start', 'npm start and the README’s three lines', ['node', 'tools/workspace/check-start.mjs']],
  ['process', 'the built server as an operator meets it: signals, full disk, damage', ['npx', 'vitest', 'run', '--root', 'tools/process']],
  ['cookbook', 'three processes answer what an operator of a new cluster tries first', [...source, 'tools/cookbook/main.ts', '--busy']],
  ['fuzz', 'a million malformed datagrams change nothing', ['npm', 'run', '--silent', 'fuzz', '-w', '@engram/swim']],
  ['kill', 'kill -9 at random moments loses nothing (npm run durability -- --kills 100 takes longer)', [...source, 'tools/durability/main.ts', '--kills', '50']],
];

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !steps.some(([step]) => step === name));
if (unknown.length > 0) {
  console.error(`No such step: ${unknown.join(', ')}. Steps: ${steps.map(([name]) => name).join(' ')}.`);
  process.exit(2);
}

const results = [];
for (const [name, what, [command, ...args]] of steps) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  console.log(`\n── ${name}: ${what}`);
  const began = Date.now();
  const { ended, lines } = await run(command, args);
  results.push({ name, ok: ended === 0, ended, lines, seconds: (Date.now() - began) / 1000 });
}

console.log('\n── summary');
for (const { name, ok, seconds } of results) console.log(`${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(10)} ${seconds.toFixed(1)} s`);
const failed = results.filter(({ ok }) => !ok);
for (const { name, ended, lines } of failed) console.log([`\n── what failed in ${name}, which ended with ${ended}`, ...whatFailed(lines.lines()), ''].join('\n'));
if (failed.length > 0) console.log(`Run one alone with: npm test -- ${failed.map(({ name }) => name).join(' ')}`);
console.log(`${results.length - failed.length} passed, ${failed.length} failed`);
process.exitCode = failed.length > 0 ? 1 : 0;

/** Shows what it prints as it comes, and keeps its end. */
function run(command, args) {
  const lines = new LastLines();
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['inherit', 'pipe', 'pipe'],
    shell: process.platform === 'win32',
    env: { ...process.env, ...(process.stdout.isTTY && { FORCE_COLOR: '1' }), CI: '1', NX_DAEMON: 'false', NX_TUI: 'false' },
  });
  for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
    from.setEncoding('utf8').on('data', (text) => lines.add(text));
    from.pipe(to, { end: false });
  }
  return new Promise((settle) => {
    child.once('error', (error) => (lines.add(`${command} cannot be run: ${error.message}\n`), settle({ ended: 'nothing begun', lines })));
    child.once('close', (status, signal) => settle({ ended: status ?? signal, lines }));
  });
}
