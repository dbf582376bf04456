import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseClusterId, parseNodeId } from '@engram/kernel';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ClusterFile, belongsElsewhere } from './cluster-file.js';

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'engram-cluster-file-'))));
afterEach(() => rm(directory, { recursive: true }));

const orders = parseClusterId('orders');
const clusterId = parseClusterId('the-id');
const ballot = { round: 3, node: parseNodeId('node-1') };
const path = () => join(directory, 'cluster.json');

test('what was written is read again, and nothing else lies beside it', async () => {
  for (const record of [{ promised: ballot }, { promised: ballot, accepted: { ballot, clusterId } }, { clusterId }]) {
    await new ClusterFile(directory, orders, 'disk-1').write(record);
    expect(await new ClusterFile(directory, orders, 'disk-1').read()).toEqual(record);
  }
  expect(await readdir(directory)).toEqual(['cluster.json']);
  expect(await readFile(path(), 'utf8')).toBe('{"format":1,"name":"orders","cluster_id":"the-id"}\n');
});

test('a node that never heard of a cluster has an empty record', async () => {
  expect(await new ClusterFile(directory, orders, 'disk-1').read()).toEqual({});
});

test('a founder is none any more on another disk, where it would begin a second register', async () => {
  const record = { clusterId, drew: clusterId };
  await new ClusterFile(directory, orders, 'disk-1').write(record);
  expect(await new ClusterFile(directory, orders, 'disk-1').read()).toEqual(record);
  expect(await new ClusterFile(directory, orders, 'disk-2').read()).toEqual({ clusterId });
});

describe('under another name', () => {
  test('a node that belongs to a cluster is refused, and told both ways out', async () => {
    await new ClusterFile(directory, orders, 'disk-1').write({ clusterId });
    await expect(new ClusterFile(directory, parseClusterId('other'), 'disk-1').read()).rejects.toMatchObject({
      code: 'invalid_config',
      message: `cluster.name is other, but this node belongs to cluster orders (the-id), as ${path()} says.`,
      hint: expect.stringMatching(/Set cluster.name to orders, or choose another --data-dir/) as string,
    });
  });

  test('what a node had only promised counts no more', async () => {
    await new ClusterFile(directory, orders, 'disk-1').write({ promised: ballot });
    expect(await new ClusterFile(directory, parseClusterId('other'), 'disk-1').read()).toEqual({});
  });
});

test.each([
  ['nothing', ''],
  ['half of it', '{"format":1,"name":"ord'],
  ['no name', '{"format":1}'],
  ['an id that is none', '{"format":1,"name":"orders","cluster_id":".."}'],
  ['a ballot without a round', '{"format":1,"name":"orders","promised":{"node":"a"}}'],
  ['a ballot without a node', '{"format":1,"name":"orders","promised":{"round":1}}'],
  ['something accepted without a ballot', '{"format":1,"name":"orders","accepted":{"cluster_id":"the-id"}}'],
  ['null', 'null'],
  ['a list', '[]'],
])('a file that holds %s is refused as damaged', async (_what, text) => {
  await writeFile(path(), text);
  const error = await new ClusterFile(directory, orders, 'disk-1').read().catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: 'store_damaged', message: expect.stringContaining(path()) as string });
  expect((error as Error).message).not.toMatch(/destructure|properties of|of null/);
});

describe('a node that is started alone', () => {
  test('must not write when it belongs to a cluster, which is named', async () => {
    await new ClusterFile(directory, orders, 'disk-1').write({ clusterId });
    expect(await belongsElsewhere(directory)).toMatch(/belongs to cluster orders \(the-id\).*cluster\.enabled/);
  });

  test('must not when nobody can say any more to which', async () => {
    await writeFile(path(), 'null');
    expect(await belongsElsewhere(directory)).toContain('is damaged');
  });

  test('may when it belongs to none', async () => {
    expect(await belongsElsewhere(directory)).toBeUndefined();
    await new ClusterFile(directory, orders, 'disk-1').write({ promised: ballot });
    expect(await belongsElsewhere(directory)).toBeUndefined();
  });
});

test('a file of a later format is refused by name', async () => {
  await writeFile(path(), '{"format":2,"name":"orders"}');
  await expect(new ClusterFile(directory, orders, 'disk-1').read()).rejects.toMatchObject({ code: 'invalid_config', message: expect.stringContaining('format 2') as string });
});
