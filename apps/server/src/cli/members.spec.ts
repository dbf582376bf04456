import { EngramError } from '@engram/kernel';
import { expect, test } from 'vitest';
import type { ApiClient } from './api-client.js';
import { fakeCli } from './fake-cli.js';
import { members } from './members.js';
import type { ClusterMember, ClusterMembers } from './wire-types.js';

const member = (id: string, state: ClusterMember['state']): ClusterMember => ({ id, state, self: id === 'node-1', address: `${id}:7946`, http: `${id}:7432`, version: '1.2.3', epoch: 1, incarnation: 0, changed_at: '2024-05-01T10:00:00.000Z' });
const three: ClusterMembers = { mode: 'distributed', cluster: 'orders', members: [member('node-1', 'alive'), member('node-2', 'suspect'), member('node-3', 'left')] };

/** A client whose node answers one thing after the other. */
function answering(...answers: (ClusterMembers | EngramError)[]): ApiClient {
  const next = () => (answers.length > 1 ? answers.shift()! : answers[0]!);
  return { url: 'http://node', members: async () => { const answer = next(); if (answer instanceof EngramError) throw answer; return answer; } } as unknown as ApiClient;
}

test('people get the cluster and a line for each node', async () => {
  const cli = fakeCli();
  await members(cli, answering(three), { timeout: 1 });
  expect(cli.printed.out).toMatchInlineSnapshot(`
    "cluster orders
    ┌────────────────────┬─────────┬─────────────┬─────────────┬─────────┬──────────────────────────┐
    │ node               │ state   │ swim        │ http        │ version │ since                    │
    ├────────────────────┼─────────┼─────────────┼─────────────┼─────────┼──────────────────────────┤
    │ node-1 (this node) │ alive   │ node-1:7946 │ node-1:7432 │ 1.2.3   │ 2024-05-01T10:00:00.000Z │
    │ node-2             │ suspect │ node-2:7946 │ node-2:7432 │ 1.2.3   │ 2024-05-01T10:00:00.000Z │
    │ node-3             │ left    │ node-3:7946 │ node-3:7432 │ 1.2.3   │ 2024-05-01T10:00:00.000Z │
    └────────────────────┴─────────┴─────────────┴─────────────┴─────────┴──────────────────────────┘
    "
  `);
});

test('a node that runs alone says so', async () => {
  const cli = fakeCli();
  const { address: _address, http: _http, version: _version, ...self } = member('node-1', 'alive');
  await members(cli, answering({ mode: 'single', members: [self] }), { timeout: 1 });
  expect(cli.printed.out).toMatch(/^this node runs alone\n/);
  expect(cli.printed.out).toMatch(/node-1 \(this node\) │ alive │ - +│ - +│ - /);
});

test('scripts get what the node said', async () => {
  const cli = fakeCli();
  await members(cli, answering(three), { timeout: 1, json: true });
  expect(JSON.parse(cli.printed.out)).toEqual(three);
});

test('watching prints what is new, sees through an outage, and ends when it is interrupted', async () => {
  const cli = fakeCli({
    onPause: (before, world) => {
      if (before === 4) world.interrupt();
    },
  });
  const two = { ...three, members: three.members.slice(0, 2) };
  await members(cli, answering(two, two, new EngramError('unavailable', 'no node answers'), three), { timeout: 1, watch: true });
  expect(cli.pauses).toEqual([1_000, 1_000, 1_000, 1_000, 1_000]);
  expect(cli.printed.out.match(/cluster orders|unreachable: no node answers|left/g)).toEqual(['cluster orders', 'unreachable: no node answers', 'cluster orders', 'left']);
});

test('without watching, a node that does not answer is a failure', async () => {
  await expect(members(fakeCli(), answering(new EngramError('unavailable', 'no node answers')), { timeout: 1 })).rejects.toThrow('no node answers');
});

test('colour is for terminals', async () => {
  const cli = fakeCli({ isTTY: true });
  await members(cli, answering(three), { timeout: 1 });
  expect(cli.printed.out).toContain('\u001b[33msuspect\u001b[39m');
});
