/**
 * Trials from many seeds: `npm run sweep -w @engram/cluster -- --seeds 1..1000`. Prints what failed with the command that
 * replays it, and exits 1 then; void runs are not green. `--transcript 400` prints the end of what happened in each
 * failed trial.
 */
import { parseArgs } from 'node:util';
import { runTrial } from './cluster-trial.js';

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '1..100' }, transcript: { type: 'string', default: '0' }, verbose: { type: 'boolean', default: false } } });
const [from = 1, to = from] = values.seeds.split('..').map(Number);
if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || to < from) throw new Error(`--seeds wants a range such as 1..1000, not ${values.seeds}`);

const started = performance.now();
const totals = new Map<string, number>();
let failed = 0;
let voids = 0;
for (let seed = from; seed <= to; seed++) {
  const report = runTrial({ seed, transcript: Number(values.transcript) });
  for (const [fact, value] of Object.entries(report.facts)) totals.set(fact, (totals.get(fact) ?? 0) + value);
  if (values.verbose) console.log(seed, report.void ?? '', JSON.stringify(report.facts));
  if (report.void !== undefined) voids++;
  if (report.violations.length === 0) continue;
  failed++;
  for (const line of report.lines) console.log(line);
  console.log(`seed ${seed} failed:\n  ${report.violations.slice(0, 6).join('\n  ')}\n  again: npm run sweep -w @engram/cluster -- --seeds ${seed} --transcript 400`);
}
console.log(`${to - from + 1} seeds, ${failed} failed, ${voids} void, ${((performance.now() - started) / 1_000).toFixed(1)} s`);
console.log([...totals].map(([fact, value]) => `${fact} ${value}`).join(' · '));
process.exitCode = failed > 0 ? 1 : 0;
