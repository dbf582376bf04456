import { parseNodeId } from '@engram/kernel';
import { afterEach, expect, test } from 'vitest';
import { PeerChannels, type ChannelLease, type Lane } from './index.js';

const n2 = parseNodeId('n2');
const n3 = parseNodeId('n3');
let address: string | undefined;
const made: PeerChannels[] = [];
afterEach(() => made.splice(0).forEach((channels) => channels.close()));

function channelsOf(poolSize: number): PeerChannels {
  address = '127.0.0.1:1';
  const channels = new PeerChannels({ addressOf: () => address, poolSize, maxMessageBytes: 65_536 });
  made.push(channels);
  return channels;
}

const acquired = (channels: PeerChannels, lane: Lane, node = n2): ChannelLease => channels.acquire(node, lane)!;

/** The same number for the same client, in the order they are first seen. */
function numbered(leases: readonly ChannelLease[]): readonly number[] {
  const clients = [...new Set(leases.map(({ client }) => client))];
  return leases.map(({ client }) => clients.indexOf(client));
}

test.each([
  [1, [0, 0, 0, 0, 0], 1],
  [2, [0, 1, 0, 0, 0], 2],
  [4, [0, 1, 2, 3, 2], 4],
])('with a pool of %i, control and replication keep to their connections and forwarded calls take the others in turn', (poolSize, expected, connections) => {
  const channels = channelsOf(poolSize);
  const leases = (['control', 'replication', 'forward', 'forward', 'forward'] as const).map((lane) => acquired(channels, lane));

  expect(numbered(leases)).toEqual(expected);
  expect(channels.size).toBe(connections);
});

test('each node has connections of its own, and a connection is kept between calls', () => {
  const channels = channelsOf(1);
  const first = acquired(channels, 'control');
  first.release('done');

  expect(numbered([first, acquired(channels, 'control'), acquired(channels, 'control', n3)])).toEqual([0, 0, 1]);
});

test('a connection that did not come about is made anew, unless another call is on it', () => {
  const channels = channelsOf(1);
  const [failed, other] = [acquired(channels, 'control'), acquired(channels, 'replication')];
  failed.release('not-connected');
  const during = acquired(channels, 'control');
  other.release('done');
  during.release('not-connected');

  expect(numbered([failed, other, during, acquired(channels, 'control')])).toEqual([0, 0, 0, 1]);
});

test('a release counts once', () => {
  const channels = channelsOf(1);
  const [twice, other] = [acquired(channels, 'control'), acquired(channels, 'control')];
  twice.release('not-connected');
  twice.release('not-connected');

  expect(numbered([other, acquired(channels, 'control')])).toEqual([0, 0]);
});

test('another address means another connection; the old one is closed with its last call', () => {
  const channels = channelsOf(1);
  const before = acquired(channels, 'control');
  address = '127.0.0.1:2';
  const after = acquired(channels, 'control');

  expect([before.address, after.address, channels.size]).toEqual(['127.0.0.1:1', '127.0.0.1:2', 1]);
  expect(before.client.getChannel().getConnectivityState(false)).not.toBe(4);
  before.release('done');
  expect(before.client.getChannel().getConnectivityState(false)).toBe(4);
});

test('what leads to where a node no longer is goes away without being asked for, and what is in use stays until then', () => {
  const channels = channelsOf(2);
  acquired(channels, 'control').release('done');
  const used = acquired(channels, 'replication');
  channels.tidy();
  expect(channels.size).toBe(2);

  address = undefined;
  channels.tidy();
  expect(channels.size).toBe(0);
  expect(used.client.getChannel().getConnectivityState(false)).not.toBe(4);
  used.release('done');
  expect(used.client.getChannel().getConnectivityState(false)).toBe(4);
});

test('a node without an address has no connection, and after the end no node has', () => {
  const channels = channelsOf(2);
  address = undefined;
  expect(channels.acquire(n2, 'control')).toBeUndefined();
  address = '127.0.0.1:1';
  channels.close();
  expect(channels.acquire(n2, 'control')).toBeUndefined();
});
