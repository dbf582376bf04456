/** Whether a cluster that has healed holds what it acknowledged: read through every node, and from every copy. */
import { setTimeout as pause } from 'node:timers/promises';
import { checkState } from './check.js';
import type { DrillClient, PlacedAttempt } from './drill-client.js';
import type { DrillCluster, DrillNode, PlacedPartition } from './drill-cluster.js';

export interface SpaceOfDrill {
  readonly space: string;
  readonly partition: number;
}

/** So many are also read one by one, by their ids. All are read as lists. */
const byIdMost = 2_000;
/** How many reads are under way at once. */
const readers = 32;
/** How long a node is asked again that answers neither with the memory nor that there is none. */
const patienceMs = 30_000;

/** @returns What is wrong, one line each; nothing when nothing is. */
export async function readBack(cluster: DrillCluster, client: DrillClient, spaces: readonly SpaceOfDrill[], attempts: readonly PlacedAttempt[]): Promise<string[]> {
  const bySpace = new Map(spaces.map(({ space }) => [space, attempts.filter((attempt) => attempt.space === space)]));
  const table = await cluster.partitions();
  return [
    ...(await countsDiffer(cluster, spaces, table, 60_000)),
    ...(await listed(cluster, client, spaces, table, bySpace)),
    ...(await eachById(cluster, client, attempts)),
  ];
}

/** All copies of a space hold equally many. They may need a moment for that. */
async function countsDiffer(cluster: DrillCluster, spaces: readonly SpaceOfDrill[], table: readonly PlacedPartition[], limitMs: number): Promise<string[]> {
  for (const began = performance.now(); ; await pause(200)) {
    const counts = new Map<string, ReadonlyMap<string, number>>();
    for (const node of cluster.nodes) counts.set(node.name, new Map((await cluster.spacesOn(node)).map(({ space_id, memories }) => [space_id, memories])));
    const different = spaces.flatMap(({ space, partition }) => {
      const held = copiesOf(table, partition).map((name) => `${name} ${counts.get(name)?.get(space) ?? 0}`);
      return new Set(held.map((each) => each.split(' ')[1])).size > 1 ? [`counts: ${space} (partition ${partition}): ${held.join(', ')}`] : [];
    });
    if (different.length === 0 || performance.now() - began > limitMs) return different;
  }
}

/** Through every node whoever holds it, and then each copy by itself. */
async function listed(cluster: DrillCluster, client: DrillClient, spaces: readonly SpaceOfDrill[], table: readonly PlacedPartition[], bySpace: ReadonlyMap<string, readonly PlacedAttempt[]>): Promise<string[]> {
  const wrong: string[] = [];
  const work = spaces.flatMap(({ space, partition }) => [
    ...cluster.nodes.map((node) => ({ space, node, own: false })),
    ...copiesOf(table, partition).flatMap((name) => cluster.named(name) ?? []).map((node) => ({ space, node, own: true })),
  ]);
  await inTurns(work, 4, async ({ space, node, own }) => {
    const where = `${own ? 'the copy of' : 'asked through'} ${node.name}, ${space}`;
    let found = await client.list(node, space, own);
    for (const began = performance.now(); found === undefined && performance.now() - began < patienceMs; await pause(200)) found = await client.list(node, space, own);
    if (found === undefined) wrong.push(`unread: ${where}: it does not answer`);
    else wrong.push(...checkState(bySpace.get(space)!, found).map(({ kind, detail }) => `${kind}: ${where}: ${detail}`));
  });
  return wrong;
}

/** A sample, spread over the whole drill, by id through every node: there when it was acknowledged, gone when it was forgotten. */
async function eachById(cluster: DrillCluster, client: DrillClient, attempts: readonly PlacedAttempt[]): Promise<string[]> {
  const wrong: string[] = [];
  const all = attempts.filter(({ outcome, forgotten }) => outcome === 'ok' && forgotten !== 'info');
  const every = Math.max(1, Math.ceil(all.length / byIdMost));
  const known = all.filter((_, at) => at % every === 0);
  await inTurns(known.flatMap((attempt) => cluster.nodes.map((node) => ({ attempt, node }))), readers, async ({ attempt, node }) => {
    const { status, content } = await read(client, node, attempt);
    const right = attempt.forgotten === 'ok' ? status === 404 : status === 200 && content === attempt.content;
    if (!right) wrong.push(`by id: ${node.name} answers ${status} for ${attempt.id} in ${attempt.space}${attempt.forgotten === 'ok' ? ', which was forgotten' : ''}`);
  });
  return wrong;
}

/** A node may say that it is busy, or cannot know at the moment: then it is asked again, as any client would. */
async function read(client: DrillClient, node: DrillNode, { space, id }: PlacedAttempt): Promise<{ readonly status: number; readonly content?: string }> {
  for (const began = performance.now(); ; await pause(200)) {
    const answer = await client.get(node, space, id!);
    if (answer.status === 200 || answer.status === 404 || performance.now() - began > patienceMs) return answer;
  }
}

function copiesOf(table: readonly PlacedPartition[], partition: number): readonly string[] {
  const placement = table.find(({ id }) => id === partition);
  return placement === undefined ? [] : [placement.primary, ...placement.replicas];
}

async function inTurns<Item>(items: readonly Item[], most: number, work: (item: Item) => Promise<void>): Promise<void> {
  let next = 0;
  await Promise.all(Array.from({ length: most }, async () => {
    while (next < items.length) await work(items[next++]!);
  }));
}
