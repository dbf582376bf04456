import { EngramError } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import type { ApiClient } from './api-client.js';
import { operateOnNode, promote, rebalance } from './cluster-operations.js';
import { fakeCli } from './fake-cli.js';
import type { NodeDuties, RebalanceStatus } from './wire-types.js';

/** A client whose node answers what it is told for a path, one thing after the other, and remembers what it was asked. */
function answering(answers: Readonly<Record<string, readonly object[]>>): ApiClient & { readonly asked: string[] } {
  const left = new Map(Object.entries(answers).map(([path, list]) => [path, [...list]]));
  const asked: string[] = [];
  const next = (method: string, path: string, body?: object): object => {
    asked.push(`${method} ${path}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`);
    const list = left.get(path) ?? [];
    const answer = list.length > 1 ? list.shift() : list[0];
    if (answer === undefined) throw new Error(`asked for ${path}`);
    if (answer instanceof EngramError) throw answer;
    return answer;
  };
  return { url: 'http://node', asked, getCluster: async (path: string) => next('GET', path), postCluster: async (path: string, body?: object) => next('POST', path, body) } as unknown as ApiClient & { readonly asked: string[] };
}

const duties = (more: Partial<NodeDuties> = {}): NodeDuties => ({ node: 'n2', status: 'draining', state: 'draining', primaries: 12, copies: 300, blocked_by: [], ...more });
const moves = (more: Partial<RebalanceStatus> = {}): RebalanceStatus => ({ state: 'in_progress', partitions_moved: 4, partitions_remaining: 8, under_way: 2, imbalance: 0.3, imbalance_planned: 0.02, blocked_by: [], ...more });

describe('engram cluster drain', () => {
  test('says what is left and how to follow it', async () => {
    const cli = fakeCli();
    const client = answering({ 'nodes/n2/drain': [duties()] });
    expect(await operateOnNode(cli, client, 'drain', 'n2', { timeout: 1 })).toBe(0);
    expect(cli.printed.out).toBe('n2 is draining: 12 partitions to hand over\nfollow it with --wait, or: GET /api/v1/cluster/nodes/n2/drain/status\n');
  });

  test('waits when it is told to, and tells what changes', async () => {
    const cli = fakeCli();
    const client = answering({ 'nodes/n2/drain': [duties()], 'nodes/n2/drain/status': [duties(), duties(), duties({ primaries: 3 }), duties({ status: 'drained', primaries: 0 })] });
    expect(await operateOnNode(cli, client, 'drain', 'n2', { timeout: 1, wait: true })).toBe(0);
    expect(cli.printed.err).toBe('n2 is draining: 12 partitions to hand over\nn2 is draining: 3 partitions to hand over\n');
    expect(cli.printed.out).toBe('n2 is drained: it leads nothing\n');
    expect(cli.pauses).toEqual([1_000, 1_000, 1_000]);
  });

  test('exits 3 when it is not done in time, with what is in the way', async () => {
    const cli = fakeCli({ onPause: (_before, world) => world.advance(1_000) });
    const blocked = duties({ status: 'draining', state: 'decommissioning', blocked_by: ['moves are paused'] });
    const client = answering({ 'nodes/n2/decommission?force=true': [blocked], 'nodes/n2/decommission/status': [blocked] });
    expect(await operateOnNode(cli, client, 'decommission', 'n2', { timeout: 1, wait: 2_500, force: true })).toBe(3);
    expect(cli.printed.out).toBe('not done in time: n2 is decommissioning: 300 copies to move\n  blocked: moves are paused\n');
  });

  test('passes on what the node refuses', async () => {
    const client = answering({ 'nodes/n9/drain': [new EngramError('node_not_found', 'the cluster has no node "n9"')] });
    await expect(operateOnNode(fakeCli(), client, 'drain', 'n9', { timeout: 1 })).rejects.toThrow('no node "n9"');
  });

  test('escapes what is no path', async () => {
    const client = answering({ 'nodes/..%2Fx/drain': [duties()] });
    await operateOnNode(fakeCli(), client, 'drain', '../x', { timeout: 1 });
    expect(client.asked).toEqual(['POST nodes/..%2Fx/drain']);
  });

  test('gives scripts what the node said', async () => {
    const cli = fakeCli();
    await operateOnNode(cli, answering({ 'nodes/n2/undrain': [duties({ status: 'active' })] }), 'undrain', 'n2', { timeout: 1, json: true });
    expect(JSON.parse(cli.printed.out)).toEqual(duties({ status: 'active' }));
  });
});

describe('engram cluster rebalance', () => {
  test('begins, and waits until everything is where it belongs', async () => {
    const cli = fakeCli();
    const client = answering({ rebalance: [{}], 'rebalance/status': [moves(), moves({ partitions_remaining: 1 }), moves({ state: 'complete', partitions_remaining: 0, imbalance: 0.02 })] });
    expect(await rebalance(cli, client, { timeout: 1, wait: true })).toBe(0);
    expect(cli.printed.out).toBe('complete: 4 moved; imbalance 2.0 %\n');
    expect(client.asked[0]).toBe('POST rebalance');
  });

  test('prints a plan without carrying it out', async () => {
    const cli = fakeCli();
    const plan = { copies: Array.from({ length: 30 }, (_, partition) => ({ partition, from: 'n1', to: 'n4' })), primaries: [{ partition: 7, from: 'n1', to: 'n2' }], copies_total: 30, primaries_total: 1, imbalance: 0.33, imbalance_planned: 0.01 };
    expect(await rebalance(cli, answering({ 'rebalance?dry_run=true': [plan] }), { timeout: 1, dryRun: true })).toBe(0);
    expect(cli.printed.out).toMatch(/^30 copies would travel and 1 primaries change; imbalance 33\.0 %, then 1\.0 %\. Nothing was changed\.\n/);
    expect(cli.printed.out).toMatch(/and 11 more; --json prints up to 1000 of each\n$/);
  });

  test.each([['complete', 0], ['in_progress', 0], ['paused', 3], ['stuck', 3]] as const)('says how far it is: %s exits %i', async (state, code) => {
    const client = answering({ 'rebalance/status': [moves({ state })] });
    expect(await rebalance(fakeCli(), client, { timeout: 1, status: true })).toBe(code);
    expect(client.asked).toEqual(['GET rebalance/status']);
  });

  test('pauses and resumes', async () => {
    const cli = fakeCli();
    await rebalance(cli, answering({ 'rebalance/pause': [{ status: 'paused', changed: true }] }), { timeout: 1, pause: true });
    await rebalance(cli, answering({ 'rebalance/resume': [{ status: 'resumed', changed: false }] }), { timeout: 1, resume: true });
    expect(cli.printed.out).toBe('moves are paused\nmoves are resumed, as they were\n');
  });
});

test('engram cluster promote names who hands over, or who leads already', async () => {
  const cli = fakeCli();
  const client = answering({ 'spaces/orders/promote-replica': [{ status: 'promoting', partition: 7, primary_node: 'n1' }, { status: 'unchanged', partition: 7, primary_node: 'n2' }] });
  await promote(cli, client, 'orders', 'n2', { timeout: 1 });
  await promote(cli, client, 'orders', undefined, { timeout: 1 });
  expect(cli.printed.out).toMatch(/^asked n1 to hand partition 7 over to n2; .*\nn2 leads orders already\n$/);
  expect(client.asked).toEqual(['POST spaces/orders/promote-replica {"node":"n2"}', 'POST spaces/orders/promote-replica {}']);
});
