/**
 * `npm run lease-sweep -w @engram/placement -- --seeds 1..2000 [--bug NAME]`: leases under pauses, deaths and bad clocks.
 */
import { parseArgs } from 'node:util';
import { leaseBugs, runLease, type LeaseBug } from './lease-world.js';

const { values } = parseArgs({ options: { seeds: { type: 'string', default: '1..200' }, bug: { type: 'string' } } });
const [from = NaN, to = NaN] = values.seeds.split('..').map(Number);
const bug = values.bug as LeaseBug | undefined;
if (!(from <= to)) throw new Error(`--seeds is like 1..200, not ${values.seeds}`);
if (bug !== undefined && !leaseBugs.includes(bug)) throw new Error(`--bug is one of ${leaseBugs.join(', ')}`);

const totals = { runs: 0, acknowledged: 0, promotions: 0, effective: 0 };
const failed: number[] = [];
const startedAt = performance.now();
for (let seed = from; seed <= to; seed++) {
  const run = runLease(seed, bug);
  totals.runs += 1;
  for (const name of ['acknowledged', 'promotions', 'effective'] as const) totals[name] += run[name];
  if (run.violation === undefined) continue;
  failed.push(seed);
  console.log(`seed ${seed}: ${run.violation}`);
  if (bug !== undefined) break;
}
console.log(`${totals.runs} seeds in ${((performance.now() - startedAt) / 1_000).toFixed(1)} s: ${totals.promotions} promotions, ${totals.effective} epochs with acknowledgements, ${totals.acknowledged} acknowledgements`);
if (bug === undefined) console.log(failed.length === 0 ? `no violation: with 95 % confidence fewer than ${(300 / totals.runs).toFixed(3)} % of such runs have one` : `violations in seeds ${failed.join(', ')}`);
else console.log(failed.length > 0 ? `${bug} was found after ${totals.runs} seeds` : `${bug} was NOT found`);
process.exitCode = (bug === undefined) === (failed.length === 0) ? 0 : 1;
