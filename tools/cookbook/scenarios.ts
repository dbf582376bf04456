/** What three nodes have to answer: one cluster, copies, a failure and its repair, spaces spread, many writers, how soon. */
import { setTimeout as pause } from 'node:timers/promises';
import { median } from '../bench/ratio.js';
import type { CookbookNode, CookbookNodes } from './nodes.js';
import type { Answer, Operator } from './operator.js';
import { sumOfSamples } from './samples.js';
import { curlLine } from './typed.js';

export interface Scenario {
  readonly title: string;
  readonly run: (operator: Operator, nodes: CookbookNodes) => Promise<void>;
}

export const scenarios: readonly Scenario[] = [
  { title: 'three nodes, started', run: start },
  { title: 'each sees the two others', run: membership },
  { title: 'what one stores, all answer', run: replication },
  { title: 'one stops, and comes back', run: failureAndRecovery },
  { title: 'spaces are spread over the nodes', run: spaces },
  { title: 'a hundred writers at once', run: load },
  { title: 'what is measured', run: metrics },
  { title: 'how soon the others have it', run: convergence },
];

interface Memory {
  readonly id: string;
  readonly content: string;
}

interface PlacedSpace {
  readonly space_id: string;
  readonly memories: number;
  readonly primary_node: string;
}

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
const storing = ({ url }: CookbookNode, space: string, content: string, tags?: readonly string[]) => ({ url: `${url}/api/v1/memory`, body: { content, memory_space: space, ...(tags && { tags }) } });
const listing = ({ url }: CookbookNode, space: string) => ({ url: `${url}/api/v1/memory?space=${space}` });
const placing = ({ url }: CookbookNode) => ({ url: `${url}/api/v1/cluster/spaces` });

function parsed<Value>({ text }: Answer): Value {
  return JSON.parse(text) as Value;
}

/** Tries until it holds or the time is up. */
async function until(limitMs: number, holds: () => Promise<boolean>): Promise<boolean> {
  for (const from = performance.now(); ; await pause(50)) {
    if (await holds()) return true;
    if (performance.now() - from > limitMs) return false;
  }
}

async function start(operator: Operator, nodes: CookbookNodes): Promise<void> {
  const { script } = operator;
  const limitMs = 30_000 * operator.slack;
  for (const [name, value] of Object.entries(nodes.environment)) script.typed(`export ${name}=${value}`);
  const from = performance.now();
  for (const line of await Promise.all(nodes.all.map((node) => nodes.start(node)))) script.typed(line);
  const ready = async ({ url }: CookbookNode): Promise<boolean> => (await operator.send({ url: `${url}/readyz` })).status === 200;
  const met = await until(limitMs, async () => (await Promise.all(nodes.all.map(ready))).every(Boolean));
  script.expect(`all are ready within ${seconds(limitMs)} (${seconds(performance.now() - from)})`, met, nodes.all.map(({ process }) => process?.output()).join('\n'));
}

async function expectStatus(operator: Operator, node: CookbookNode, [alive, dead]: readonly [number, number], quietLimitMs: number): Promise<void> {
  const limitMs = quietLimitMs * operator.slack;
  const wanted = `alive: ${alive}\nsuspect: 0\ndead: ${dead}\n`;
  const shown = await operator.engram(['status', '--url', node.url], ({ code, text }) => code === 0 && text.endsWith(wanted), limitMs);
  const right = shown.code === 0 && shown.text.endsWith(wanted) && shown.afterMs <= limitMs;
  operator.script.expect(`${node.name} says ${wanted.trim().replaceAll('\n', ', ')} within ${seconds(limitMs)} (${seconds(shown.afterMs)})`, right, shown);
}

async function membership(operator: Operator, { all }: CookbookNodes): Promise<void> {
  for (const node of all) await expectStatus(operator, node, [2, 0], 15_000);
  for (const { name, logFile } of all) {
    const lines = operator.grep('joined cluster', logFile);
    operator.script.expect(`${name} says in its log that it joined`, lines.length > 0, lines);
  }
}

async function replication(operator: Operator, { all }: CookbookNodes): Promise<void> {
  const { script } = operator;
  const stored = await operator.curl(storing(all[0]!, 'default', 'Ada keeps her bicycle in the hall', ['cookbook']));
  const { id, durability } = parsed<{ id?: string; durability?: { reached: string; copies: number } }>(stored);
  script.expect('the store is acknowledged once two of three copies are durable', stored.status === 201 && durability?.reached === 'quorum' && durability.copies >= 2, stored);
  const lists: Answer[] = [];
  for (const node of all) lists.push(await operator.curl(listing(node, 'default')));
  script.expect('all three answer with that memory and no other', lists.every((list) => list.status === 200 && list.text === lists[0]!.text) && parsed<Memory[]>(lists[0]!).map((memory) => memory.id).join() === id, lists);
}

async function failureAndRecovery(operator: Operator, nodes: CookbookNodes): Promise<void> {
  const { script } = operator;
  const [first, second] = nodes.all as [CookbookNode, CookbookNode];
  script.typed(`kill ${second.process!.pid}   # ${second.name}`);
  const code = await nodes.stop(second);
  script.expect(`${second.name} stops in order`, code === 0, { code });
  await expectStatus(operator, first, [1, 1], 3_000);
  script.typed(await nodes.start(second));
  await expectStatus(operator, first, [2, 0], 10_000);
  const list = await operator.curl(listing(second, 'default'));
  script.expect(`${second.name} answers with the memory from before`, list.status === 200 && parsed<Memory[]>(list).length === 1, list);
}

const spaceNames = Array.from({ length: 10 }, (_, at) => `room-${at + 1}`);

async function spaces(operator: Operator, { all }: CookbookNodes): Promise<void> {
  const { script } = operator;
  const [first] = all as [CookbookNode];
  script.typed(`seq ${spaceNames.length} | xargs -I{} ${curlLine(storing(first, 'room-{}', 'A note for room {}', ['cookbook']))}`);
  const answers: Answer[] = [];
  for (const [at, name] of spaceNames.entries()) answers.push(await operator.send(storing(first, name, `A note for room ${at + 1}`, ['cookbook'])));
  const refused = answers.filter(({ status }) => status !== 201);
  script.expect(`all ${answers.length} are stored`, refused.length === 0, refused);

  const placed = parsed<{ spaces: PlacedSpace[] }>(await operator.curl(placing(first))).spaces.filter(({ space_id }) => spaceNames.includes(space_id));
  const led = all.map(({ name }) => ({ name, spaces: placed.filter(({ primary_node }) => primary_node === name).length }));
  const sum = led.reduce((total, each) => total + each.spaces, 0);
  script.expect(`each has a primary, and no node leads them all (${led.map(({ name, spaces: count }) => `${name} ${count}`).join(', ')})`, sum === spaceNames.length && led.every(({ spaces: count }) => count < sum), placed);
  for (const { name, logFile } of all) {
    const lines = operator.grep('space assignment', logFile);
    script.expect(`${name} says in its log how spaces are assigned`, lines.length > 0, lines);
  }
}

const writers = 100;

async function load(operator: Operator, { all }: CookbookNodes): Promise<void> {
  const { script } = operator;
  const [first] = all as [CookbookNode];
  script.typed(`seq ${writers} | xargs -P ${writers} -I{} ${curlLine(storing(first, 'rush', 'Written at once, {}'))}`);
  const from = performance.now();
  const answers = await Promise.all(Array.from({ length: writers }, (_, at) => operator.send(storing(first, 'rush', `Written at once, ${at + 1}`))));
  const refused = answers.filter(({ status }) => status !== 201);
  script.expect(`all ${writers} are stored (${seconds(performance.now() - from)})`, refused.length === 0, refused);
  for (const node of all) {
    script.typed(`${curlLine(listing(node, 'rush'))} | jq length`);
    const memories = parsed<Memory[]>(await operator.send(listing(node, 'rush')));
    script.answered(`${memories.length}`);
    script.expect(`${node.name} answers with ${writers}, each once`, memories.length === writers && new Set(memories.map(({ content }) => content)).size === writers, memories);
  }
  for (const node of all) {
    let held = 0;
    script.typed(`${curlLine(placing(node))} | jq '.spaces[] | select(.space_id == "rush") | .memories'`);
    // Two of three copies acknowledge; the third may be a moment behind.
    const same = await until(1_000 * operator.slack, async () => {
      held = parsed<{ spaces: PlacedSpace[] }>(await operator.send(placing(node))).spaces.find(({ space_id }) => space_id === 'rush')?.memories ?? 0;
      return held === writers;
    });
    script.answered(`${held}`);
    script.expect(`${node.name} has ${writers} in its own copy`, same, { held });
  }
}

async function metrics(operator: Operator, { all }: CookbookNodes): Promise<void> {
  const { script, slack } = operator;
  const lagging = `engram_replication_lag_seconds_(count|bucket\\{le="${slack}",)`;
  for (const { name, url } of all) {
    const asked = { url: `${url}/metrics` };
    script.typed(`${curlLine(asked)} | grep -E '^(engram_cluster_members_(alive|dead)|${lagging})'`);
    const { text } = await operator.send(asked);
    const wanted = new RegExp(`^(engram_cluster_members_(alive|dead)|${lagging})`);
    script.answered(text.split('\n').filter((line) => wanted.test(line)).join('\n'));
    const [alive, dead] = [sumOfSamples(text, 'engram_cluster_members_alive'), sumOfSamples(text, 'engram_cluster_members_dead')];
    script.expect(`${name} counts 2 others alive and none dead`, alive === 2 && dead === 0, { alive, dead });
    const [observed, short] = [sumOfSamples(text, 'engram_replication_lag_seconds_count'), sumOfSamples(text, 'engram_replication_lag_seconds_bucket', `le="${slack}"`)];
    script.expect(`${name} saw no copy more than ${seconds(slack * 1_000)} behind`, observed > 0 && short === observed, { observed, short });
  }
}

const rounds = 10;

async function convergence(operator: Operator, { all }: CookbookNodes): Promise<void> {
  const { script } = operator;
  const limitMs = 100 * operator.slack;
  const [first] = all as [CookbookNode];
  const { id } = parsed<Memory>(await operator.curl(storing(first, 'echo', 'Said once')));
  for (const node of all.slice(1)) {
    const list = await operator.curl(listing(node, 'echo'));
    script.expect(`${node.name} answers with it at once`, list.status === 200 && parsed<Memory[]>(list).some((memory) => memory.id === id), list);
  }
  script.typed(`# ${rounds} times: from before the store until every node has been asked and has answered with it`);
  const took: number[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    const from = performance.now();
    const again = parsed<Memory>(await operator.send(storing(first, 'echo', `Said again, ${round}`)));
    const seen = await until(5_000, async () => (await Promise.all(all.map((node) => operator.send(listing(node, 'echo'))))).every(({ text }) => text.includes(again.id)));
    if (seen) took.push(performance.now() - from);
  }
  const middle = took.length === rounds ? median(took) : Infinity;
  script.expect(`seen through all nodes within ${limitMs} ms in the median (median ${Math.round(middle)} ms, longest ${Math.round(Math.max(...took))} ms)`, middle < limitMs, took);
}
