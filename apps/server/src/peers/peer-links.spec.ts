import { createServer } from 'node:net';
import { parseClusterId, parseNodeId, type NodeId } from '@engram/kernel';
import fc from 'fast-check';
import { afterEach, expect, test } from 'vitest';
import { CutableWire, PeerNode } from '../../test/peer-nodes.js';
import type { PeerLinksOptions } from './index.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const opened of open.splice(0)) await opened.close();
});

/** Quick enough for a test to wait for; what matters is that it happens, not when. */
const quick = { handshakeMs: 400, silenceMs: 400, keepaliveMs: 50, keepaliveTimeoutMs: 200, sweepMs: 20, backoffMs: 10, backoffMaxMs: 40, closeGraceMs: 2_000 };

interface Cluster {
  /** As many as were asked for. */
  readonly nodes: [PeerNode, PeerNode, ...PeerNode[]];
  readonly addresses: Map<NodeId, string>;
}

async function cluster(ids: readonly string[], changes: Partial<PeerLinksOptions> = {}): Promise<Cluster> {
  const addresses = new Map<NodeId, string>();
  const nodes = ids.map((id) => new PeerNode(id, (node) => addresses.get(node), { timings: quick, ...changes }));
  for (const node of nodes) {
    open.push(node);
    await node.listen();
    addresses.set(node.id, `127.0.0.1:${node.port}`);
  }
  return { nodes: nodes as Cluster['nodes'], addresses };
}

const [n1, n2, n3] = ['n1', 'n2', 'n3'].map(parseNodeId) as [NodeId, NodeId, NodeId];
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

/** Sends until something arrives: a message of this kind may be lost. */
async function persistently(from: PeerNode, to: PeerNode, message = 'ping'): Promise<void> {
  const before = to.of('control').length;
  const sender = setInterval(() => from.links.sendControl(to.id, Buffer.from(message)), 5);
  try {
    await to.until('control', before + 1);
  } finally {
    clearInterval(sender);
  }
}

test('three nodes send each other control messages, each over one stream', async () => {
  const { nodes } = await cluster(['n1', 'n2', 'n3']);
  for (const from of nodes) for (const to of nodes) for (let i = 0; i < 3; i += 1) from.links.sendControl(to.id, Buffer.from(`${from.id} ${i}`));

  for (const node of nodes) {
    const received = (await node.until('control', 9)).map(({ from, bytes }) => `${from}: ${text(bytes)}`);
    expect(received.sort()).toEqual([n1, n2, n3].flatMap((from) => [0, 1, 2].map((i) => `${from}: ${from} ${i}`)));
    expect(node.links.stats()).toMatchObject({ acceptedCalls: 2, refusedCalls: 0, control: [{ state: 'open', framesSent: 3, framesDropped: 0 }, { state: 'open', framesSent: 3 }] });
  }
});

test('a stream of replication is opened, carries frames both ways and is closed at both ends', async () => {
  const { nodes: [a, b] } = await cluster(['n1', 'n2']);

  a.links.openStream(n2);
  expect(a.events).toEqual([]);
  const [opened] = await a.until('opened');
  const [accepted] = await b.until('accepted');
  a.links.send(opened!.stream, Buffer.from('there'));
  b.links.send(accepted!.stream, Buffer.from('back'));
  await a.until('received');
  await b.until('received');
  a.links.closeStream(opened!.stream, 'done');
  await a.until('closed');
  await b.until('closed');

  expect(a.events).toEqual([
    { kind: 'opened', peer: n2, stream: 1 },
    { kind: 'received', stream: 1, bytes: Buffer.from('back') },
    { kind: 'closed', stream: 1 },
  ]);
  expect(b.events).toEqual([
    { kind: 'accepted', peer: n1, stream: 1 },
    { kind: 'received', stream: 1, bytes: Buffer.from('there') },
    { kind: 'closed', stream: 1 },
  ]);
  expect([a.links.send(1, Buffer.from('late')), b.links.stats().streams]).toEqual([false, []]);
});

test('frames of replication arrive whole and in order whatever their sizes, and control messages beside them', async () => {
  const { nodes: [a, b] } = await cluster(['n1', 'n2']);
  let opened = 0;
  const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 50_000, max: 400_000 })), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(sizes, async (lengths) => {
      b.events.length = 0;
      a.events.length = 0;
      a.links.openStream(n2);
      const { stream } = (await a.until('opened'))[0]!;
      opened += 1;
      lengths.forEach((length, i) => {
        const bytes = Buffer.alloc(length, i);
        a.links.send(stream, bytes);
        // The bytes of a frame are the sender's again as soon as they are sent.
        bytes.fill(255);
        if (i % 5 === 0) a.links.sendControl(n2, Buffer.from(`beside ${i}`));
      });
      const received = await b.until('received', lengths.length);
      await b.until('control', Math.ceil(lengths.length / 5));
      a.links.closeStream(stream, 'done');
      await b.until('closed');
      expect(received.map(({ bytes }) => [bytes.byteLength, bytes.equals(Buffer.alloc(bytes.byteLength, bytes[0]))])).toEqual(lengths.map((length) => [length, true]));
      expect(received.map(({ bytes }) => bytes[0])).toEqual(lengths.map((_, i) => i));
    }),
    { numRuns: 15 },
  );
  expect(opened).toBeGreaterThanOrEqual(15);
});

test('a peer that is killed and comes back on the same port is reached again, and its streams were closed', async () => {
  const { nodes: [a, b] } = await cluster(['n1', 'n2']);
  await persistently(a, b);
  a.links.openStream(n2);
  await a.until('opened');

  b.kill();
  await a.until('closed');
  a.links.openStream(n2);
  await a.until('failed');
  a.links.sendControl(n2, Buffer.from('into the void'));
  await b.listen(b.port);
  await persistently(a, b, 'again');
  a.links.openStream(n2);

  expect(await a.until('opened', 2)).toHaveLength(2);
  expect(text(b.of('control').at(-1)!.bytes)).toBe('again');
});

test('a peer that accepts connections and never answers fails the stream and holds up nothing', async () => {
  const { nodes: [a, c], addresses } = await cluster(['n1', 'n3']);
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  open.push(silent);
  addresses.set(n2, `127.0.0.1:${(silent.address() as { port: number }).port}`);

  a.links.openStream(n2);
  for (let i = 0; i < 100; i += 1) a.links.sendControl(n2, Buffer.alloc(100_000));
  a.links.sendControl(n3, Buffer.from('not held up'));

  expect(a.links.stats().control[0]!.waitingBytes).toBeLessThanOrEqual(1024 * 1024);
  await c.until('control');
  expect(await a.until('failed')).toEqual([{ kind: 'failed', peer: n2 }]);
});

test('a peer of another cluster is refused by name, said once in the log, and hears nothing', async () => {
  const { nodes: [a], addresses } = await cluster(['n1']);
  const other = new PeerNode('n2', (node) => addresses.get(node), { clusterId: () => parseClusterId('green'), timings: quick });
  open.push(other);
  await other.listen();
  addresses.set(n2, `127.0.0.1:${other.port}`);

  for (let i = 1; i <= 3; i += 1) {
    a.links.openStream(n2);
    a.links.sendControl(n2, Buffer.from('secret'));
    await a.until('failed', i);
  }

  expect(other.events).toEqual([]);
  expect(other.links.stats().refusedCalls).toBeGreaterThanOrEqual(3);
  const said = a.logged.filter(({ message }) => message.startsWith('another node refuses'));
  expect(said).toEqual([{ level: 'warn', message: expect.any(String), reason: expect.stringMatching(/green.*blue/) }]);
});

test('a node that belongs to no cluster calls nobody, and asks callers to come again', async () => {
  const { nodes: [a], addresses } = await cluster(['n1']);
  const unformed = new PeerNode('n2', (node) => addresses.get(node), { clusterId: () => undefined, timings: quick });
  open.push(unformed);
  await unformed.listen();
  addresses.set(n2, `127.0.0.1:${unformed.port}`);

  unformed.links.openStream(n1);
  unformed.links.sendControl(n1, Buffer.from('x'));
  a.links.openStream(n2);

  expect(await unformed.until('failed')).toEqual([{ kind: 'failed', peer: n1 }]);
  await a.until('failed');
  expect(a.of('control')).toEqual([]);
  expect(a.logged).toContainEqual({ level: 'warn', message: expect.any(String), reason: 'This node belongs to no cluster yet.' });
});

test('a peer whose address is not known fails the stream and loses the message', async () => {
  const { nodes: [a] } = await cluster(['n1']);

  a.links.openStream(n3);
  a.links.sendControl(n3, Buffer.from('x'));

  await a.until('failed');
  expect(a.links.stats().control).toEqual([expect.objectContaining({ peer: n3, state: 'closed', framesSent: 0, framesDropped: 1 })]);
});

test('a frame larger than a message may be closes its stream; a control message of that size is dropped', async () => {
  const { nodes: [a, b] } = await cluster(['n1', 'n2'], { maxMessageBytes: 65_536 });
  a.links.openStream(n2);
  const [opened] = await a.until('opened');

  a.links.sendControl(n2, Buffer.alloc(65_536));
  a.links.sendControl(n2, Buffer.from('small'));
  expect(a.links.send(opened!.stream, Buffer.alloc(65_536))).toBe(false);

  expect(a.of('closed')).toEqual([{ kind: 'closed', stream: opened!.stream }]);
  expect((await b.until('control')).map(({ bytes }) => text(bytes))).toEqual(['small']);
  await b.until('closed');
  expect(b.of('received')).toEqual([]);
});

test('64 MiB pushed at a peer whose wire is dead wait within the bound, then the stream is given up', async () => {
  const { nodes: [a, b], addresses } = await cluster(['n1', 'n2'], { replicationOutboxBytes: 2 * 1024 * 1024, timings: { ...quick, keepaliveTimeoutMs: 60_000 } });
  const wire = await CutableWire.to(() => b.port);
  open.push(wire);
  addresses.set(n2, wire.address);
  a.links.openStream(n2);
  const { stream } = (await a.until('opened'))[0]!;
  wire.cut();

  let most = 0;
  for (let i = 0; i < 1_024; i += 1) {
    a.links.send(stream, Buffer.alloc(64 * 1024, 1));
    most = Math.max(most, a.links.stats().streams[0]?.waitingBytes ?? 0);
    if (i % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
  }

  expect(most).toBeLessThanOrEqual(2 * 1024 * 1024 + 512 * 1024);
  expect(a.of('closed')).toEqual([{ kind: 'closed', stream }]);
  expect(a.logged.at(-1)!.reason).toMatch(/reads too slowly/);
});

test('a peer that dies without a word is noticed at both ends, and reached again when the wire is mended', async () => {
  const { nodes: [a, b], addresses } = await cluster(['n1', 'n2']);
  const wire = await CutableWire.to(() => b.port);
  open.push(wire);
  addresses.set(n2, wire.address);
  a.links.openStream(n2);
  await a.until('opened');
  await b.until('accepted');

  wire.cut();
  await a.until('closed');
  await b.until('closed');
  wire.mend();
  a.links.openStream(n2);
  const first = await Promise.race([a.until('opened', 2).then(() => 'opened'), a.until('failed').then(() => 'failed')]);
  if (first === 'failed') a.links.openStream(n2);

  expect(await a.until('opened', 2)).toHaveLength(2);
});

test('a peer with another address is called there, and what led to the old one is closed', async () => {
  const { nodes: [a, b], addresses } = await cluster(['n1', 'n2']);
  await persistently(a, b);
  a.links.openStream(n2);
  await a.until('opened');
  const moved = new PeerNode('n2', (node) => addresses.get(node), { timings: quick });
  open.push(moved);
  await moved.listen();

  addresses.set(n2, `127.0.0.1:${moved.port}`);
  a.links.checkAddresses();

  expect(a.of('closed')).toHaveLength(1);
  await persistently(a, moved);
  a.links.openStream(n2);
  await moved.until('accepted');
  await b.until('closed');
});

test('another node at the address of a peer is not spoken to', async () => {
  const { nodes: [a, c], addresses } = await cluster(['n1', 'n3']);
  addresses.set(n2, addresses.get(n3)!);

  a.links.openStream(n2);
  a.links.sendControl(n2, Buffer.from('for n2'));
  await a.until('failed');
  a.links.sendControl(n3, Buffer.from('for n3'));

  expect((await c.until('control')).map(({ bytes }) => text(bytes))).toEqual(['for n3']);
});

test('a control stream that is not used is closed, and opened again when it is', async () => {
  const { nodes: [a, b] } = await cluster(['n1', 'n2'], { timings: { ...quick, idleMs: 30 } });
  a.links.sendControl(n2, Buffer.from('first'));
  await b.until('control');

  const closed = new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (a.links.stats().control.length > 0 || b.links.stats().acceptedCalls > 0) return;
      clearInterval(look);
      resolve();
    }, 5);
  });
  await closed;
  a.links.sendControl(n2, Buffer.from('second'));

  expect((await b.until('control', 2)).map(({ bytes }) => text(bytes))).toEqual(['first', 'second']);
});

test('a peer that cannot be reached is tried ever more rarely, and what is sent meanwhile is dropped', async () => {
  const { nodes: [a, b] } = await cluster(['n1', 'n2'], { random: () => 0.999, timings: { ...quick, backoffMs: 60_000, backoffMaxMs: 60_000 } });
  b.kill();
  a.links.openStream(n2);
  a.links.sendControl(n2, Buffer.from('the try that fails'));
  await a.until('failed');
  const waiting = new Promise<void>((resolve) => {
    const look = setInterval(() => {
      if (a.links.stats().control[0]!.state !== 'waiting') return;
      clearInterval(look);
      resolve();
    }, 5);
  });
  await waiting;

  for (let i = 0; i < 1_000; i += 1) a.links.sendControl(n2, Buffer.alloc(1_000));

  expect(a.links.stats().control).toEqual([expect.objectContaining({ state: 'waiting', failures: 1, waitingBytes: 0, framesDropped: 1_001 })]);
});

test('more calls of one node than it can need are refused', async () => {
  const { nodes: [a, b] } = await cluster(['n1', 'n2']);
  for (let i = 0; i < 4; i += 1) a.links.openStream(n2);
  await a.until('opened', 4);

  a.links.openStream(n2);

  await a.until('failed');
  expect(b.of('accepted')).toHaveLength(4);
  expect(a.logged.at(-1)!.reason).toContain('has 4 calls open');
});

test('closing sends what was sent before, tells of every stream once, and takes no more calls', async () => {
  const { nodes: [a, b] } = await cluster(['n1', 'n2']);
  a.links.openStream(n2);
  const { stream } = (await a.until('opened'))[0]!;
  for (let i = 0; i < 40; i += 1) a.links.send(stream, Buffer.alloc(50_000, i));
  a.links.sendControl(n2, Buffer.from('goodbye'));
  await b.until('control');

  await a.links.close();
  await b.until('closed');
  b.links.openStream(n1);

  expect(b.of('received').map(({ bytes }) => bytes[0])).toEqual(Array.from({ length: 40 }, (_, i) => i));
  expect(a.of('closed')).toEqual([{ kind: 'closed', stream }]);
  await b.until('failed');
  expect([a.links.stats().streams, a.links.stats().acceptedCalls, a.links.stats().connections]).toEqual([[], 0, 0]);
});

test.each([{ poolSize: 0 }, { timings: { idleMs: 0 } }, { timings: { backoffMs: NaN } }])('options that are out of range are refused: %j', (changes) => {
  expect(() => new PeerNode('n1', () => undefined, changes)).toThrow(expect.objectContaining({ code: 'invalid_options' }));
});
