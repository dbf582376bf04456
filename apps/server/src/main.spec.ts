/** `engram` as a process of its own, from source: what the shell, a terminal and a supervisor see. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';

const main = join(import.meta.dirname, 'main.ts');
let dataDir: string;
let running: ChildProcess[] = [];
beforeEach(() => void (dataDir = mkdtempSync(join(tmpdir(), 'engram-main-'))));
afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  running = [];
  rmSync(dataDir, { recursive: true, force: true });
});

interface Process {
  readonly child: ChildProcess;
  readonly out: () => string;
  readonly err: () => string;
  readonly exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

function engram(...argv: string[]): Process {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ENGRAM_')));
  const child = spawn(process.execPath, ['--conditions=@engram/source', '--import', 'tsx', main, ...argv], { env: inherited, stdio: ['ignore', 'pipe', 'pipe'] });
  running.push(child);
  let [out, err] = ['', ''];
  child.stdout!.on('data', (piece) => (out += String(piece)));
  child.stderr!.on('data', (piece) => (err += String(piece)));
  return { child, out: () => out, err: () => err, exited: new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal }))) };
}

/** Starts a node and waits for its banner. */
async function startNode(...argv: string[]): Promise<Process & { readonly url: string }> {
  const node = engram('start', '--data-dir', dataDir, '--http-port', '0', '--grpc-port', '0', ...argv);
  const url = await new Promise<string>((resolve, reject) => {
    node.child.stdout!.on('data', () => {
      const found = /^ {2}status .*--url (\S+)$/m.exec(node.out())?.[1];
      if (found !== undefined) resolve(found);
    });
    void node.exited.then(() => reject(new Error(`the node ended before it was ready: ${node.err()}`)));
  });
  return { ...node, url };
}

test('a node starts, answers its command line, keeps others off its data, and stops on SIGTERM', { timeout: 60_000 }, async () => {
  const node = await startNode('--node-id', 'node-7');
  expect(node.out()).toMatch(/^ {2}engram \d+\.\d+\.\d+$/m);
  expect(node.out()).toContain('  node   node-7');
  expect(node.out()).toContain(`  data   ${dataDir}`);

  const [status, second] = [engram('status', '--url', node.url), engram('start', '--data-dir', dataDir, '--http-port', '0', '--grpc-port', '0')];
  expect(await status.exited).toEqual({ code: 0, signal: null });
  expect(status.out()).toMatch(/node-7 .* healthy/);
  expect(await second.exited).toEqual({ code: 1, signal: null });
  expect(second.err()).toMatch(/^error: The data directory .* is in use by another engram process.*\nhint: /);

  node.child.kill('SIGTERM');
  expect(await node.exited).toEqual({ code: 0, signal: null });
  // Logs are on the error stream, one JSON object per line where no terminal is.
  const logged = node.err().trim().split('\n').map((line) => JSON.parse(line) as { level: string; msg: string });
  expect(logged.at(-1)).toMatchObject({ level: 'info', msg: 'stopped' });
});

test('a reader that has seen enough is no failure', { timeout: 30_000 }, async () => {
  const reference = engram('config', 'reference');
  reference.child.stdout!.destroy();
  expect(await reference.exited).toEqual({ code: 0, signal: null });
  expect(reference.err()).toBe('');
});
