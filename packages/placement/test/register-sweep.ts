/**
 * `npm run register-sweep -w @engram/placement -- --seeds 1..5000 [--bug NAME]`: runs the register under that many seeds
 * and judges each history. With a bug, says after how many seeds it was found.
 */
import { parseArgs } from 'node:util';
import { registerBugs, runRegister, type RegisterBug } from './register-world.js';

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '1..200' }, bug: { type: 'string' } } });
const [from = NaN, to = NaN] = values.seeds.split('..').map(Number);
const bug = values.bug as RegisterBug | undefined;
if (!(from <= to)) throw new Error(`--seeds is like 1..200, not ${values.seeds}`);
if (bug !== undefined && !registerBugs.includes(bug)) throw new Error(`--bug is one of ${registerBugs.join(', ')}`);

const totals = { runs: 0, stuck: 0, answered: 0, changes: 0, voterChanges: 0, unknown: 0, recovered: 0, idle: 0 };
const failed: number[] = [];
const startedAt = performance.now();
for (let seed = from; seed <= to; seed++) {
  const run = runRegister(seed, bug);
  totals.runs += 1;
  for (const name of ['answered', 'changes', 'voterChanges', 'unknown'] as const) totals[name] += run[name];
  if (run.recovered) totals.recovered += 1;
  if (!run.recovered && run.quorumLeft) totals.stuck += 1;
  if (run.changes < 5) totals.idle += 1;
  if (run.violation !== undefined) {
    failed.push(seed);
    console.log(`seed ${seed}: ${run.violation}`);
    if (bug !== undefined) break;
  }
}
const seconds = (performance.now() - startedAt) / 1_000;
console.log(`${totals.runs} seeds in ${seconds.toFixed(1)} s: ${totals.answered} requests answered, ${totals.changes} changes made, ${totals.voterChanges} of voters, ${totals.unknown} outcomes unknown`);
console.log(`${totals.recovered} seeds answered again at the quiet end, ${totals.stuck} did not although a quorum was left; ${totals.idle} made fewer than 5 changes`);
if (bug === undefined) {
  console.log(failed.length === 0 ? `no violation: with 95 % confidence fewer than ${(300 / totals.runs).toFixed(3)} % of such runs have one` : `violations in seeds ${failed.join(', ')}`);
  process.exitCode = failed.length === 0 ? 0 : 1;
} else {
  console.log(failed.length > 0 ? `${bug} was found after ${totals.runs} seeds` : `${bug} was NOT found`);
  process.exitCode = failed.length > 0 ? 0 : 1;
}
