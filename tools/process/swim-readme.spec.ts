/** What the README of @engram/swim shows between two terminals, done as printed: from tarballs, outside the workspace. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { freePorts } from '../harness/free-ports.js';

const root = resolve(import.meta.dirname, '../..');
const readme = readFileSync(join(root, 'packages/swim/README.md'), 'utf8');
const section = /^## Between two terminals$([^]*?)^## /m.exec(readme)?.[1] ?? '';
const script = /```js\n([^]*?)```/.exec(section)?.[1] ?? '';
/** Each row of the table: what terminal 1 shows, what terminal 2 shows. */
const rows = [...section.matchAll(/^\|(.*)\|(.*)\|$/gm)].map(([, one, two]) => [one!.trim(), two!.trim()] as const).slice(2);

/** The README promises three seconds; a machine that has other things to do gets much more, which costs nothing where it is not needed. */
const limitMs = 60_000;

let directory: string;
let terminals: Terminal[];

/** One process at a time, and what it has printed. */
class Terminal {
  readonly lines: string[] = [];
  process: ChildProcess | undefined;
  ended: Promise<number | null> | undefined;

  start(command: string): void {
    const [program, ...args] = command.split(' ');
    expect(program).toBe('node');
    const child = spawn(process.execPath, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } });
    this.process = child;
    this.ended = new Promise((settle) => child.once('exit', settle));
    for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', (line) => this.lines.push(line));
  }

  async prints(line: string): Promise<void> {
    await expect.poll(() => this.lines, { timeout: limitMs }).toContain(line);
  }
}

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'engram-terminals-'));
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'terminals', private: true }));
  const tarballs = ['kernel', 'swim'].map((name) => {
    const [packed] = JSON.parse(execFileSync('npm', ['pack', '--json', '--loglevel=error', '--pack-destination', directory], { cwd: join(root, 'packages', name), encoding: 'utf8' })) as [{ filename: string }];
    return join(directory, packed.filename.replace('@', '').replace('/', '-'));
  });
  execFileSync('npm', ['install', '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline', ...tarballs], { cwd: directory });
  writeFileSync(join(directory, 'peer.mjs'), script);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

beforeEach(() => {
  terminals = [new Terminal(), new Terminal()];
});

afterEach(async () => {
  for (const { process } of terminals) process?.kill('SIGKILL');
  await Promise.all(terminals.map(({ ended }) => ended));
});

/** The ports of the README may be taken here, so others stand for them. */
async function withFreePorts(): Promise<(text: string) => string> {
  const [first, second] = (await freePorts(2)) as [number, number];
  return (text) => text.replaceAll('7946', `${first}`).replaceAll('7947', `${second}`);
}

/** Does what a cell of the table shows. */
async function perform(terminal: Terminal, cell: string): Promise<void> {
  const shown = /^`(.*)`$/.exec(cell)?.[1];
  if (shown?.startsWith('node ')) return terminal.start(shown);
  if (shown !== undefined) return terminal.prints(shown);
  if (cell === 'Ctrl-C') return void terminal.process!.kill('SIGINT');
  expect(cell).toBe('');
}

test('two terminals see one another join and leave, line by line as the README has it', async () => {
  expect(rows.length).toBeGreaterThanOrEqual(5);
  const here = await withFreePorts();
  for (const row of rows) {
    for (const [at, cell] of row.entries()) await perform(terminals[at]!, here(cell));
  }
  // Ctrl-C leaves and ends in order; nothing was printed that the README does not show.
  expect(await terminals[1]!.ended).toBe(0);
  const shown = rows.flat().map((cell) => here(cell.replaceAll('`', '')));
  expect(terminals.flatMap(({ lines }) => lines).filter((line) => !shown.includes(line))).toEqual([]);
});

test('kill -9 instead of Ctrl-C is seen as suspect, then dead', async () => {
  const here = await withFreePorts();
  const [one, two] = terminals as [Terminal, Terminal];
  for (const row of rows.slice(0, rows.findIndex((row) => row.includes('Ctrl-C')))) {
    for (const [at, cell] of row.entries()) await perform(terminals[at]!, here(cell));
  }
  const killedAt = performance.now();
  two.process!.kill('SIGKILL');
  await one.prints('suspect api-2');
  await one.prints('dead api-2');
  console.log(`SIGKILL to dead: ${((performance.now() - killedAt) / 1_000).toFixed(2)} s`);
  expect(one.lines.indexOf('suspect api-2')).toBeLessThan(one.lines.indexOf('dead api-2'));
});
