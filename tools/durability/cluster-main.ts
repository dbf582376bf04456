/**
 * Kills nodes of a real cluster with SIGKILL, and stops others for longer than their leases, while clients write through
 * any of them; then reads everything back through every node and from every copy, and compares it with a ledger kept here,
 * in another process: nothing acknowledged is lost, nothing is held twice, nothing is made up, nothing forgotten is back.
 *
 * `npm run durability:cluster -- --nodes 5 --writes 20000 --kills 50 --stops 20 --seed 7 --ack quorum`. `--rate` is how many
 * writes a second the clients aim at all together. Writes and faults go on together until as many writes as asked for are
 * acknowledged and as many faults as asked for are over, or `--limit-minutes` have passed. `--away` is how many nodes are
 * away at once at most, never more than a minority; with two of five away some spaces have one copy of three left, and wait.
 * `--join` has one more node join meanwhile, and `--decommission` takes one out; with `--kills 0 --stops 0` no read may fail.
 * Kills are of processes: what was written survives them, synced or not. Power cuts are simulated in the laws of
 * @engram/replication.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Random } from '@engram/kernel';
import { change } from './changes.js';
import { DrillClient, type PlacedAttempt } from './drill-client.js';
import { DrillCluster, within } from './drill-cluster.js';
import { Nemesis, type Outage } from './nemesis.js';
import { readBack, type SpaceOfDrill } from './read-back.js';
import { Readers } from './readers.js';

const { values } = parseArgs({
  options: {
    nodes: { type: 'string', default: '5' },
    writes: { type: 'string', default: '20000' },
    kills: { type: 'string', default: '50' },
    stops: { type: 'string', default: '20' },
    seed: { type: 'string', default: '1' },
    ack: { type: 'string', default: 'quorum' },
    writers: { type: 'string', default: '24' },
    spaces: { type: 'string', default: '24' },
    rate: { type: 'string', default: '100' },
    away: { type: 'string' },
    join: { type: 'boolean', default: false },
    decommission: { type: 'boolean', default: false },
    'limit-minutes': { type: 'string', default: '30' },
    directory: { type: 'string' },
    'keep-data': { type: 'boolean', default: false },
  },
});
const random = Random.fromSeed(values.seed);
const [nodes, writes, kills, stops, writers, rate] = [values.nodes, values.writes, values.kills, values.stops, values.writers, values.rate].map(Number) as [number, number, number, number, number, number];
const minority = Math.max(1, Math.floor((nodes - 1) / 2));
const away = Math.min(minority, Number(values.away ?? minority));
const directory = values.directory ?? mkdtempSync(join(tmpdir(), 'engram-drill-'));

/** How long a client goes on with one write before it gives up and leaves it open. */
const patienceMs = 60_000;

const attempts: PlacedAttempt[] = [];
const names = Array.from({ length: Number(values.spaces) }, (_, at) => `drill-${at}`);
let operations = 0;
let acknowledged = 0;
let changed = false;
let over = false;
const isOver = (): boolean => over && acknowledged >= writes;

function newAttempt(space: string, draws: Random, named: boolean): PlacedAttempt {
  const token = `${values.seed}-${(operations += 1)}`;
  const attempt: PlacedAttempt = { token, space, content: `memory ${token} ${'x'.repeat(draws.below(200))}`, id: named ? `m-${token}` : undefined, outcome: 'info', forgotten: undefined };
  attempts.push(attempt);
  return attempt;
}

/** One client: mostly stores, now and then forgets one of its own, at its share of the rate. */
async function write(client: DrillClient, draws: Random): Promise<void> {
  const own: PlacedAttempt[] = [];
  while (!isOver()) {
    const due = performance.now() + (writers / rate) * 1_000 * 2 * draws.float();
    if (own.length > 10 && draws.chance(0.1)) {
      const attempt = draws.pick(own);
      if (attempt.outcome === 'ok' && attempt.forgotten === undefined) await client.forget(attempt, draws, patienceMs);
    } else {
      const attempt = newAttempt(draws.pick(names), draws, draws.chance(0.5));
      await client.store(attempt, draws, patienceMs);
      if (attempt.outcome === 'ok') acknowledged += 1;
      own.push(attempt);
    }
    await pause(Math.max(0, due - performance.now()));
  }
}

/** Every space begins with one memory; where it lies is what the nodes say. */
async function place(cluster: DrillCluster, client: DrillClient): Promise<SpaceOfDrill[]> {
  const draws = random.fork('place');
  for (const name of names) await client.store(newAttempt(name, draws, true), draws, patienceMs);
  const placed = new Map<string, number>();
  await within(30_000, 'some spaces are on no node', async () => {
    for (const node of cluster.nodes) for (const { space_id, partition } of await cluster.spacesOn(node)) placed.set(space_id, partition);
    return names.every((name) => placed.has(name));
  });
  return names.map((space) => ({ space, partition: placed.get(space)! }));
}

function count(outcome: string): number {
  return attempts.filter((attempt) => attempt.outcome === outcome).length;
}

function describe(outages: readonly Outage[]): string {
  const sorted = outages.map(({ writableMs }) => writableMs).sort((a, b) => a - b);
  if (sorted.length === 0) return 'none';
  const at = (share: number): string => `${(sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)]! / 1_000).toFixed(2)} s`;
  return `n ${sorted.length}, p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`;
}

/** How many there are of each kind: the first word of a line. */
function kindsOf(violations: readonly string[]): string {
  const kinds = new Map<string, number>();
  for (const violation of violations) {
    const kind = violation.split(':')[0]!;
    kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
  }
  return kinds.size === 0 ? '' : ` (${[...kinds].map(([kind, times]) => `${kind} ${times}`).join(', ')})`;
}

const seconds = (from: number): string => `${Math.round((performance.now() - from) / 1_000)} s`;

async function drill(cluster: DrillCluster): Promise<string[]> {
  const began = performance.now();
  const client = new DrillClient(cluster);
  const spaces = await place(cluster, client);
  const draws = random.fork('probes');
  const progress = (text: string): void => console.log(`${seconds(began)}: ${text}, ${count('ok')} acknowledged, ${attempts.length} attempted, open ${JSON.stringify(client.counts)}`);
  const nemesis = new Nemesis(cluster, client, {
    kills, stops, spaces, away, random: random.fork('nemesis'),
    goOn: () => acknowledged < writes || !changed,
    newProbe: (space) => newAttempt(space, draws, false),
    progress,
  });
  const writing = Array.from({ length: writers }, (_, at) => write(client, random.fork(`writer-${at}`)));
  const readers = new Readers(cluster, client, attempts);
  const reading = readers.run(random.fork('readers'), isOver);
  const changing = change(cluster, { join: values.join, decommission: values.decommission, random: random.fork('changes'), progress })
    .catch((error: Error) => void nemesis.complaints.push(error.message))
    .finally(() => (changed = true));
  await Promise.all([nemesis.run(), changing]);
  over = true;
  await Promise.all([...writing, reading]);
  progress('faults and changes are over; healing');

  const violations = nemesis.complaints.map((text) => `stuck: ${text}`);
  // With nodes that are killed and stopped some reads find nobody; without, there is no excuse.
  if (kills + stops === 0) violations.push(...readers.failed.map((text) => `failed read: ${text}`));
  const healing = performance.now();
  await cluster.healthy(90_000).then(
    () => console.log(`healed within ${seconds(healing)}; reading back`),
    (error: Error) => violations.push(`unhealed: ${error.message}`),
  );
  violations.push(...(await readBack(cluster, client, spaces, attempts)), ...client.oddities.map((text) => `odd: ${text}`));

  const alone = nemesis.outages.filter(({ othersAway, quickRestart }) => othersAway === 0 && !quickRestart);
  console.log([
    `seed ${values.seed} · ${nodes} nodes, at most ${away} away, ${nemesis.kills} kills, ${nemesis.stops} stops · ack=${values.ack} · ${seconds(began)}`,
    `writes: ${attempts.length} attempted, ${count('ok')} acknowledged, ${count('info')} open, ${count('fail')} refused, ${attempts.filter(({ forgotten }) => forgotten === 'ok').length} forgotten · ${JSON.stringify(client.counts)}`,
    `reads meanwhile: ${readers.reads}, failed ${readers.failed.length}`,
    `kill to writable again: ${describe(alone)} (nobody else away, no quick restart)`,
    `                        ${describe(nemesis.outages)} (all)`,
    `violations: ${violations.length}${kindsOf(violations)}`,
  ].join('\n'));
  return violations;
}

/** The nodes may not outlive the drill. */
function giveUp(why: string): void {
  console.error(`VOID: ${why}; data is in ${directory}`);
  void Promise.resolve(cluster?.close()).finally(() => process.exit(1));
}

const timeIsUp = setTimeout(() => giveUp(`not done within ${values['limit-minutes']} minutes`), Number(values['limit-minutes']) * 60_000);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => giveUp(`ended by ${signal}`));

let cluster: DrillCluster | undefined;
let violations: string[] = ['nothing was tried'];
try {
  cluster = await DrillCluster.start({ directory, nodes, ack: values.ack });
  violations = await drill(cluster);
} finally {
  clearTimeout(timeIsUp);
  await cluster?.close();
  if (violations.length > 0 && cluster) writeFileSync(join(directory, 'violations.txt'), violations.join('\n'));
  if (violations.length > 0 || values['keep-data']) console.log(`data and logs kept in ${directory}`);
  else rmSync(directory, { recursive: true, force: true });
}
for (const violation of violations.slice(0, 50)) console.error(violation.slice(0, 2_000));
if (violations.length > 50) console.error(`… all of them are in ${join(directory, 'violations.txt')}`);
if (violations.length > 0) console.log(`Replay: npm run durability:cluster -- --seed ${values.seed} --nodes ${nodes} --writes ${writes} --kills ${kills} --stops ${stops} --ack ${values.ack} --rate ${rate} --away ${away}`);
process.exitCode = violations.length > 0 ? 1 : 0;
