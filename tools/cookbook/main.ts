/**
 * `npm run cookbook`: three nodes on loopback are taken through what an operator of a new cluster tries first. Each command
 * is shown as it would be typed, done, and its answer checked. Ends by itself, with 1 when something was not as expected;
 * data and logs are kept then. Runs the build when it is up to date, and the sources otherwise. `--busy` allows five times
 * the time for everything: on a machine that has other things to do, slowness says nothing.
 */
import { parseArgs } from 'node:util';
import { complaintAboutBuild } from '../bench/build-check.js';
import { CookbookNodes } from './nodes.js';
import { Operator } from './operator.js';
import { scenarios } from './scenarios.js';
import { Script } from './script.js';

const { values } = parseArgs({ options: { busy: { type: 'boolean', default: false } } });
const from = complaintAboutBuild(['apps/server']) === undefined ? 'build' : 'source';
const script = new Script();
const operator = new Operator(script, from, values.busy ? 5 : 1);
const nodes = await CookbookNodes.create(from);
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void nodes.end().finally(() => process.exit(1)));
}

const began = performance.now();
try {
  for (const { title, run } of scenarios) {
    script.heading(title);
    // What went wrong in one may not keep the next from being tried.
    await run(operator, nodes).catch((error: unknown) => script.expect(`${title}: goes through`, false, error instanceof Error ? error.stack : error));
  }
  script.heading('all stop');
  for (const node of nodes.all.filter(({ process }) => process !== undefined)) {
    script.typed(`kill ${node.process!.pid}   # ${node.name}`);
    const code = await nodes.stop(node);
    script.expect(`${node.name} stops in order`, code === 0, { code });
  }
} finally {
  await nodes.end();
  await operator.close();
}
process.exitCode = script.summary();
console.log(`${((performance.now() - began) / 1_000).toFixed(1)} s, of the ${from}`);
if (process.exitCode === 0) nodes.removeData();
else console.log(`data and logs are kept in ${nodes.directory}`);
