import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, describe, expect, test } from 'vitest';
import { planOf } from '../plan.js';
import { runPlan } from '../run-plan.js';
import { scenarioNamed } from '../scenarios/index.js';
import { runCli } from './program.js';

const main = resolve(import.meta.dirname, '../main.ts');
const execArgv = ['--conditions=@engram/source', '--import', 'tsx'];
const directory = mkdtempSync(join(tmpdir(), 'netsim-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function netsim(...argv: string[]): Promise<{ code: number | undefined; out: string; err: string }> {
  let out = '';
  let err = '';
  const sink = (add: (text: string) => void) => ({ write: (text: string) => (add(text), true) });
  const code = await runCli(argv, { stdout: sink((text) => { out += text; }), stderr: sink((text) => { err += text; }), now: () => 0, script: main, execArgv });
  return { code, out, err };
}

describe('netsim run', () => {
  test('prints hash, speed, checks, measurements and the command to have it again', async () => {
    const { code, out } = await netsim('run', '--scenario', 'kill-one', '--seed', '3');
    expect(code).toBe(0);
    expect(out).toContain(`trace hash ${runPlan(planOf(scenarioNamed('kill-one'), { seed: '3' })).report.hash}`);
    expect(out).toMatch(/ok {4}no-false-deaths/);
    expect(out).toMatch(/killToFirstMs +\d+/);
    expect(out).toMatch(/PASSED\nagain: netsim run --scenario kill-one --seed 3 --nodes 8 --preset fast/);
  });

  test('ends with 1 when a checker finds something, and says what', async () => {
    const { code, out } = await netsim('run', '--scenario', 'kill-one', '--seed', '3', '--flaw', 'says-everything-thrice');
    expect(code).toBe(1);
    expect(out).toMatch(/FAIL {2}traffic\n +while nothing happened each node sent \d+ bytes a second/);
    expect(out).toContain('--flaw says-everything-thrice');
  });

  test('prints what happened when asked', async () => {
    const { out } = await netsim('run', '--scenario', 'kill-one', '--seed', '3', '--transcript');
    expect(out).toMatch(/^ +\d+\.\d{6} s +n\d +is killed$/m);
  });

  test.each([
    [['run', '--scenario', 'nix', '--seed', '1'], /no scenario nix[^]*Scenarios: kill-one, /],
    [['run', '--scenario', 'kill-one', '--seed', 'x'], /A seed is a whole number/],
    [['run', '--scenario', 'kill-one', '--seed', '1', '--nodes', '2'], /kill-one runs with 3 to 1000 nodes, not 2/],
    [['run', '--scenario', 'kill-one', '--seed', '1', '--nodes', '0'], /whole number from 1 to 1000/],
    [['run', '--scenario', 'kill-one', '--seed', '1', '--preset', 'slow'], /Presets are fast, lan, wan/],
    [['run', '--scenario', 'kill-one', '--seed', '1', '--flaw', 'nix'], /no flaw nix[^]*Flaws: forgets-to-refute/],
    [['run', '--seed', '1'], /required option '--scenario <name>'/],
    [['sweep', '--scenario', 'all', '--seeds', '9..1'], /ends before it begins/],
    [['replay', '/nonexistent/run.json'], /cannot be read: ENOENT/],
    [['figures', '--rows', 'kill-first-lan-8,nix'], /no row has nix in its name[^]*Rows: kill-first-lan-8, /],
    [['figures', '--budget-minutes', 'x'], /Minutes are a number/],
    [['run', '--scenario', 'calm', '--seed', '1', '--loss', '2'], /A share is a number from 0 to 1/],
    [['dance'], /unknown command 'dance'/],
  ])('%j is a clear error and exit code 64', async (argv, message) => {
    const { code, err, out } = await netsim(...argv);
    expect([code, out]).toEqual([64, '']);
    expect(err).toMatch(message);
  });
});

describe('netsim replay', () => {
  const file = join(directory, 'run.json');

  test('runs a saved run again, schedule and all', async () => {
    await netsim('run', '--scenario', 'clean-split', '--seed', '4', '--save', file);
    const { code, out } = await netsim('replay', file);
    expect(code).toBe(0);
    expect(out).toContain('The same run as recorded.');
  });

  test('says so when it goes another way', async () => {
    const record = JSON.parse(readFileSync(file, 'utf8')) as { plan: { seed: string } };
    writeFileSync(file, JSON.stringify({ ...record, plan: { ...record.plan, seed: '5' } }));
    const { code, err } = await netsim('replay', file);
    expect(code).toBe(1);
    expect(err).toMatch(/went another way: trace hash [0-9a-f]+, recorded [0-9a-f]+/);
  });

  test('calls a run void in which too little happened', async () => {
    await netsim('run', '--scenario', 'clean-split', '--seed', '4', '--save', file);
    const record = JSON.parse(readFileSync(file, 'utf8')) as { plan: object };
    writeFileSync(file, JSON.stringify({ ...record, hash: '', plan: { ...record.plan, schedule: [] } }));
    const { out } = await netsim('replay', file);
    expect(out).toMatch(/VOID: it has shown nothing: only 0 faults where 2 are the least; only 0 dropped datagrams where 50 are the least/);
  });

  test.each([['not JSON', 'x'], ['no recorded run', '{"format":"other"}']])('refuses a file that is %s', async (message, text) => {
    writeFileSync(file, text);
    const { code, err } = await netsim('replay', file);
    expect(code).toBe(64);
    expect(err).toContain(message);
  });
});

describe('netsim sweep', () => {
  test('gives the same statistics from one process as from two', async () => {
    const argv = ['sweep', '--scenario', 'kill-one', '--seeds', '1..4', '--jobs'];
    const [one, two] = [await netsim(...argv, '1'), await netsim(...argv, '2')];
    expect(one.out).toContain('kill-one: 4 passed, 0 failed, 0 void');
    expect(one.out).toMatch(/PASSED: 4 runs in 0\.0 s, no violation, so fewer than 0\.75 per run/);
    expect(sorted(two.out)).toEqual(sorted(one.out));
  }, 30_000);
});

describe('netsim shrink', () => {
  const file = join(directory, 'failed.json');

  test('writes a smaller run that replays, and tells what is left of it', async () => {
    await netsim('run', '--scenario', 'kill-one', '--seed', '3', '--nodes', '6', '--flaw', 'answers-no-pings', '--save', file);
    const { code, out, err } = await netsim('shrink', file, '--attempts', '60');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^[a-z-]+: from 1 actions, 6 nodes to \d actions, \d nodes in \d+ attempts/);
    expect(out).toContain(`again: netsim replay ${file}.min.json`);
    const replayed = await netsim('replay', `${file}.min.json`);
    expect(replayed.code).toBe(1);
    expect(replayed.out).toContain('The same run as recorded.');
    expect(replayed.out).toContain(`again: netsim replay ${file}.min.json`);
  }, 20_000);

  test('refuses a run that did not fail', async () => {
    await netsim('run', '--scenario', 'kill-one', '--seed', '3', '--save', file);
    const { code, err } = await netsim('shrink', file);
    expect(code).toBe(64);
    expect(err).toMatch(/nothing to shrink: no checker fails in this run/);
  });
});

test('--report draws the run into a file, of a run and of a replay', async () => {
  const [file, page] = [join(directory, 'drawn.json'), join(directory, 'drawn.html')];
  await netsim('run', '--scenario', 'kill-one', '--seed', '3', '--save', file, '--report', page);
  expect(readFileSync(page, 'utf8')).toContain('<code>netsim run --scenario kill-one --seed 3 --nodes 8 --preset fast</code>');
  await netsim('replay', file, '--report', page);
  expect(readFileSync(page, 'utf8')).toContain(`<code>netsim replay ${file}</code>`);
});

describe('netsim figures', () => {
  const argv = ['figures', '--seeds', '1..2', '--jobs', '1', '--rows', 'kill-first-lan-8,kill-all-fast-8', '--out', join(directory, 'figures.jsonl')];

  test('prints a row per target, writes each run at once and does not run it again', async () => {
    const first = await netsim(...argv);
    expect(first.out).toMatch(/^code [0-9a-f]{24}$/m);
    expect(first.out).toMatch(/^\| kill → first observer, `lan`, N = 8 \| 2 deaths \| p50 [\d.]+ s, p99 [\d.]+ s \([\d.]+ × p50\) \| p50 ≤ 5 s, p99 ≤ 1\.5 × p50 \| (open|missed) \|$/m);
    expect(first.out).toMatch(/^\| kill → all observers, `fast`, N = 8 \| 2 deaths \| .*false deaths 0 \(< 1\.5 per run\)/m);
    const lines = readFileSync(join(directory, 'figures.jsonl'), 'utf8');
    expect(lines.split('\n').length).toBe(5);
    const again = await netsim(...argv, '--budget-minutes', '0');
    expect(again.out).toBe(first.out);
    expect(readFileSync(join(directory, 'figures.jsonl'), 'utf8')).toBe(lines);
  }, 30_000);

  test('says what was not measured', async () => {
    const { out } = await netsim('figures', '--rows', 'speed', '--budget-minutes', '0');
    expect(out).toMatch(/\| 100 members for 60 s of the world, `lan` \| 0 \| not measured \| < 10 s of wall time \| \|/);
  });
});

test('a loss of one\'s own is part of the command to have the run again', async () => {
  const { out } = await netsim('run', '--scenario', 'kill-one', '--seed', '3', '--loss', '0.03');
  expect(out).toContain('again: netsim run --scenario kill-one --seed 3 --nodes 8 --preset fast --loss 0.03');
});

const sorted = (text: string): string[] => text.split('\n').sort();

test('another process comes to the same trace hash', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [...execArgv, main, 'run', '--scenario', 'flapping', '--seed', '11'], { cwd: resolve(import.meta.dirname, '../..') });
  expect(stdout).toContain(`trace hash ${runPlan(planOf(scenarioNamed('flapping'), { seed: '11' })).report.hash}`);
}, 30_000);

test('netsim scenarios lists what there is', async () => {
  const { out } = await netsim('scenarios');
  expect(out).toMatch(/kill-one +One process is killed/);
  expect(out).toMatch(/forgets-to-refute +Members are deaf .* \(views-heal in clean-split\)/);
});

test.each(['', 'run', 'sweep', 'replay', 'shrink', 'figures', 'scenarios'])('netsim %s --help', async (command) => {
  const { code, out } = await netsim(...(command === '' ? [] : [command]), '--help');
  expect(code).toBe(0);
  // As many processes as the machine has cores, which is another number elsewhere.
  expect(out.replace(/(processes at one time\s+\(default:)\s+\d+\)/, '$1 cores)')).toMatchSnapshot();
});
