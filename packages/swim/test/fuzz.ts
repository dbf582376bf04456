/**
 * Hostile datagrams, as many as one has time for; a hundred million take about half an hour:
 *
 *     npm run fuzz -w @engram/swim -- [--count 1000000] [--seed 1] [--trial plain|sealed|core]
 *
 * Without `--trial` all three share the count. Exits with 1 when one was not counted, a member changed, memory grew
 * beyond its bound, or the good neighbour was kept from talking.
 */
import { parseArgs } from 'node:util';
import { fuzzCore, fuzzPlain, fuzzSealed, total, type TrialReport } from './fuzz-trial.js';

const heapGrowthMax = 200 * 1_024 * 1_024;
const { values } = parseArgs({ options: { count: { type: 'string', default: '1000000' }, seed: { type: 'string', default: '1' }, trial: { type: 'string' } } });
const count = Math.ceil(Number(values.count) / (values.trial ? 1 : 3));
const { seed } = values;
const problems: string[] = [];

const megabytes = (bytes: number): string => `${(bytes / 1_048_576).toFixed(1)} MiB`;
function progress(name: string): (done: number) => void {
  let told = 0;
  return (done) => {
    if (done < told + count / 10) return;
    told = done;
    process.stderr.write(`${name}: ${Math.round((100 * done) / count)} %\n`);
  };
}

function judge(name: string, report: TrialReport): void {
  console.log(name, { ...report, heapGrowth: megabytes(report.heapGrowthBytes) });
  if (total(report.rejected) !== report.hostile) problems.push(`${name}: ${report.hostile - total(report.rejected)} datagrams were not counted`);
  if (report.changes > 0) problems.push(`${name}: ${report.changes} changes of members`);
  if (report.acked === 0) problems.push(`${name}: the neighbour was not heard`);
  if (report.heapGrowthBytes > heapGrowthMax) problems.push(`${name}: memory grew by ${megabytes(report.heapGrowthBytes)}`);
}

console.log(`seed ${seed}, ${count} datagrams each`);
if (values.trial === undefined || values.trial === 'plain') judge('plain', await fuzzPlain({ seed, count, onProgress: progress('plain') }));
if (values.trial === undefined || values.trial === 'sealed') judge('sealed', await fuzzSealed({ seed, count, onProgress: progress('sealed') }));
if (values.trial === undefined || values.trial === 'core') {
  const report = fuzzCore({ seed, count, onProgress: progress('core') });
  console.log('core', { ...report, heapGrowth: megabytes(report.heapGrowthBytes) });
  if (report.membersMost > 500) problems.push(`core: ${report.membersMost} members`);
  if (report.heapGrowthBytes > heapGrowthMax) problems.push(`core: memory grew by ${megabytes(report.heapGrowthBytes)}`);
}
for (const problem of problems) console.error(problem);
process.exitCode = problems.length > 0 ? 1 : 0;
