/** Three nodes that keep copies of one another: how durable a write is when gRPC answers, by the level that was asked for. */
import { AckLevel, createMemoryClient, type DraftBatch, type MemoryClient, type StoreResult } from '@engram/rpc';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ReplicatedNodes } from '../../test/replicated-nodes.js';
import { RoutedNodes } from '../../test/routed-nodes.js';

const { ACK_LEVEL_LOCAL: local, ACK_LEVEL_REPLICA: replica, ACK_LEVEL_QUORUM: quorum, ACK_LEVEL_ALL: all, ACK_LEVEL_UNSPECIFIED: unspecified } = AckLevel;
const none = 99 as AckLevel;
const draft = { memorySpace: 'notes', content: 'Ada likes tea.' };

interface Cluster {
  readonly nodes: RoutedNodes;
  readonly copies: ReplicatedNodes;
  readonly clients: Readonly<Record<'primary' | 'other node', MemoryClient>>;
  end(): Promise<void>;
}

/** The space `notes` on three nodes. */
async function start(ackTimeoutMs: number): Promise<Cluster> {
  const copies = new ReplicatedNodes({ ackTimeoutMs });
  const nodes = await RoutedNodes.start(['n1', 'n2', 'n3'], {}, copies);
  nodes.place('notes', 'n1', ['n2', 'n3']);
  const clients = { primary: createMemoryClient({ address: nodes.get('n1').grpcAddress }), 'other node': createMemoryClient({ address: nodes.get('n2').grpcAddress }) };
  const end = async (): Promise<void> => {
    for (const client of Object.values(clients)) client.close();
    await nodes.end();
    await copies.end();
  };
  return { nodes, copies, clients, end };
}

async function stream(client: MemoryClient, batches: readonly DraftBatch[], ack: AckLevel): Promise<StoreResult[]> {
  const all: StoreResult[] = [];
  for await (const { results } of client.storeStream(batches, { ack, unansweredMax: 1 })) all.push(...results);
  return all;
}

const durabilityOf = ({ result }: StoreResult) => (result?.$case === 'stored' ? result.value.durability : undefined);

let cluster: Cluster;
beforeAll(async () => void (cluster = await start(30_000)));
afterAll(() => cluster.end());

describe.each(['primary', 'other node'] as const)('asked through the %s', (asked) => {
  test.each([
    [local, local, 1],
    [replica, replica, 2],
    [quorum, quorum, 2],
    [all, all, 3],
    [unspecified, quorum, 2],
  ])('a write at level %i has requested %i and is on at least %i nodes', async (ack, requested, copiesMin) => {
    const client = cluster.clients[asked];
    const stored = await client.store({ draft, ack });
    const [streamed] = await stream(client, [[draft]], ack);
    const forgotten = await client.forget({ memorySpace: 'notes', id: stored.memory!.id, ack });

    for (const durability of [stored.durability, durabilityOf(streamed!), forgotten.durability]) {
      expect(durability).toMatchObject({ requested });
      expect(durability!.reached).toBeGreaterThanOrEqual(requested);
      expect(durability!.copies).toBeGreaterThanOrEqual(copiesMin);
    }
  });

  test('each batch of a stream may have a level of its own', async () => {
    const results = await stream(cluster.clients[asked], [{ drafts: [draft], ack: local }, { drafts: [draft], ack: all }, { drafts: [draft] }, [draft]], replica);
    expect(results.map((result) => durabilityOf(result)?.requested)).toEqual([local, all, replica, replica]);
  });

  test('a number that is no level is refused, and nothing is stored', async () => {
    const client = cluster.clients[asked];
    const refused = { code: 'invalid_argument', message: expect.stringContaining('ack is 99'), hint: expect.stringContaining('AckLevel') };
    const { memories } = cluster.nodes.get('n1').engine.status();

    await expect(client.store({ draft, ack: none })).rejects.toMatchObject(refused);
    await expect(stream(client, [[draft]], none)).rejects.toMatchObject(refused);
    await expect(client.forget({ memorySpace: 'notes', id: 'a', ack: none })).rejects.toMatchObject(refused);

    expect(cluster.nodes.get('n1').engine.status().memories).toBe(memories);
  });
});

test('a level that is not reached in time is an error and no lower level, item by item in a stream', async () => {
  const { copies, clients, end } = await start(100);
  copies.cut('n3');
  for (const client of Object.values(clients)) {
    await expect(client.store({ draft, ack: all })).rejects.toMatchObject({ code: 'deadline_exceeded', message: expect.stringContaining('ack=all'), details: { indeterminate: true } });
    expect(await stream(client, [[draft, { memorySpace: 'notes', content: '' }]], all)).toMatchObject([
      { result: { $case: 'refused', value: { code: 'deadline_exceeded', indeterminate: true } } },
      { result: { $case: 'refused', value: { code: 'invalid_argument' } } },
    ]);
  }
  await end();
});
