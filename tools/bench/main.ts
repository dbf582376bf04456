/**
 * Every figure of docs/benchmarks.md as a ratio to a baseline of the same run: `npm run bench`.
 *
 * `--only store,batch,recall,start,bytes,config,peers,discovery,replication,stream,balance,routing,forward,failover,cluster-writes,nodes` measures some of them, `--quick` measures all of them badly in two minutes,
 * `--json` prints one document for programs, `--corpus DIR` takes conversations instead of made-up memories, `--stale`
 * measures a build that is older than the sources. Progress goes to the error stream; data goes to TMPDIR.
 */
import { parseArgs } from 'node:util';
import { readConversations } from '../locomo/dataset.js';
import { complaintAboutBuild } from './build-check.js';
import { measureConfig } from './config.js';
import { createCorpus, type Corpus } from './corpus.js';
import type { Figure } from './figure.js';
import { measureBalance } from './figures/balance.js';
import { measureBatch } from './figures/batch.js';
import { measureBytes } from './figures/bytes.js';
import { measureClusterWrites } from './figures/cluster-writes.js';
import { measureDiscovery } from './figures/discovery.js';
import { measureFailover } from './figures/failover.js';
import { measureForward } from './figures/forward.js';
import { measureNodes } from './figures/nodes.js';
import { measurePeers } from './figures/peers.js';
import { measureRecall } from './figures/recall.js';
import { measureReplication } from './figures/replication.js';
import { measureRouting } from './figures/routing.js';
import { measureStart } from './figures/start.js';
import { measureStore } from './figures/store.js';
import { measureStream } from './figures/stream.js';
import { describeMachine, probeMachine } from './machine.js';
import { renderReport, type Report } from './report.js';
import { corpusOfTurns } from './turns.js';
import { fullSizes, quickSizes, World } from './world.js';

const measurements: Readonly<Record<string, (world: World) => Promise<Figure>>> = {
  store: measureStore,
  batch: measureBatch,
  recall: measureRecall,
  start: measureStart,
  bytes: measureBytes,
  config: measureConfig,
  peers: measurePeers,
  discovery: measureDiscovery,
  replication: measureReplication,
  stream: measureStream,
  balance: measureBalance,
  routing: measureRouting,
  forward: measureForward,
  failover: measureFailover,
  'cluster-writes': measureClusterWrites,
  nodes: measureNodes,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: Object.keys(measurements).join(',') },
    seed: { type: 'string', default: '1' },
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    corpus: { type: 'string' },
    stale: { type: 'boolean', default: false },
  },
});
const sizes = values.quick ? quickSizes : fullSizes;

const wanted = values.only.split(',');

/** What keeps the run from meaning anything; undefined when nothing does. */
function complaint(): string | undefined {
  const unknown = wanted.filter((name) => !(name in measurements));
  if (unknown.length > 0) return `No such figure: ${unknown.join(', ')}. Figures: ${Object.keys(measurements).join(', ')}.`;
  return values.stale ? undefined : complaintAboutBuild(['apps/server']);
}

function corpus(): Corpus {
  if (values.corpus === undefined) return createCorpus(sizes.memories, values.seed);
  const conversations = readConversations(values.corpus);
  if (conversations === undefined) throw new Error(`there are no conversations in ${values.corpus}`);
  return corpusOfTurns(conversations);
}

const complained = complaint();
if (complained !== undefined) {
  console.error(complained);
  process.exit(2);
}

const world = new World(sizes, corpus(), (text) => console.error(`… ${text}`));
try {
  const before = probeMachine(world.directory());
  const figures: Figure[] = [];
  for (const name of wanted) figures.push(await measurements[name]!(world));
  const report: Report = {
    format: 1,
    quick: values.quick,
    corpus: values.corpus === undefined ? `made up, seed ${values.seed}` : 'conversations',
    machine: describeMachine(),
    before,
    after: probeMachine(world.directory()),
    figures,
  };
  console.log(values.json ? JSON.stringify(report, undefined, 2) : renderReport(report));
} finally {
  await world.close();
}
