/**
 * Every figure of docs/benchmarks.md as a ratio to a baseline of the same run: `npm run bench`.
 *
 * `--only store,batch,recall,start,bytes` measures some of them, `--quick` measures all of them badly in a minute,
 * `--json` prints one document for programs. Progress goes to the error stream.
 */
import { parseArgs } from 'node:util';
import { complaintAboutBuild } from './build-check.js';
import type { Figure } from './figure.js';
import { measureBatch } from './figures/batch.js';
import { measureBytes } from './figures/bytes.js';
import { measureRecall } from './figures/recall.js';
import { measureStart } from './figures/start.js';
import { measureStore } from './figures/store.js';
import { describeMachine, probeMachine } from './machine.js';
import { renderReport, type Report } from './report.js';
import { fullSizes, quickSizes, World } from './world.js';

const measurements: Readonly<Record<string, (world: World) => Promise<Figure>>> = {
  store: measureStore,
  batch: measureBatch,
  recall: measureRecall,
  start: measureStart,
  bytes: measureBytes,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(measurements).join(',') },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    stale: { type: 'boolean', default: false },
  },
});

const wanted = values.only.split(',');
const unknown = wanted.filter((name) => !(name in measurements));
const complaint = unknown.length > 0 ? `No such figure: ${unknown.join(', ')}. Figures: ${Object.keys(measurements).join(', ')}.` : values.stale ? undefined : complaintAboutBuild();
if (complaint !== undefined) {
  console.error(complaint);
  process.exit(2);
}

const world = new World(values.quick ? quickSizes : fullSizes, values.seed, (text) => console.error(`… ${text}`));
try {
  const before = probeMachine(world.directory());
  const figures: Figure[] = [];
  for (const name of wanted) figures.push(await measurements[name]!(world));
  const report: Report = {
    format: 1,
    quick: values.quick,
    seed: values.seed,
    machine: describeMachine(),
    before,
    after: probeMachine(world.directory()),
    figures,
  };
  console.log(values.json ? JSON.stringify(report, undefined, 2) : renderReport(report));
} finally {
  await world.close();
}
