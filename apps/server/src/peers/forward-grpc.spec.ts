import { connect, createServer, type Socket } from 'node:net';
import { EngramError, parseClusterId, parseNodeId } from '@engram/kernel';
import { limitReadAhead, MemoryDefinition, StoreRequest, toCallAnswerer, toGrpcService, type CallContext, type Handlers } from '@engram/rpc';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { GrpcForwarder, PeerChannels, PeerLinks, type ForwardedCall, type GrpcForwarderOptions } from './index.js';

type MemoryHandlers = Handlers<typeof MemoryDefinition>;

const n2 = parseNodeId('n2');
const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const opened of open.splice(0)) await opened.close();
});

async function owner(handlers: Partial<MemoryHandlers>, { stopping = new AbortController() } = {}): Promise<string> {
  const refuse = (): never => {
    throw new EngramError('internal', 'This test expects no such call.');
  };
  const all: MemoryHandlers = { store: refuse, storeStream: refuse, recall: refuse, get: refuse, forget: refuse, list: refuse, ...handlers };
  const server = new Server({ interceptors: [limitReadAhead(1)] });
  const answer = toCallAnswerer(MemoryDefinition, all, { node: 'n2' });
  const links = new PeerLinks({
    self: n2, clusterId: () => parseClusterId('blue'), addressOf: () => undefined, poolSize: 1, maxMessageBytes: 4 * 1024 * 1024,
    log: { info: () => undefined, warn: () => undefined }, onControl: () => undefined, replication: undefined as never,
  });
  links.addService(server, { answer, stopping: stopping.signal });
  const { definition, implementation } = toGrpcService(MemoryDefinition, all, { node: 'n2' });
  server.addService(definition, implementation);
  const bound = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, taken) => (error ? reject(error) : resolve(taken)));
  });
  open.push({ close: () => server.forceShutdown() });
  return `127.0.0.1:${bound}`;
}

function forwarder(address: string | undefined, changes: Partial<GrpcForwarderOptions> = {}): GrpcForwarder {
  const channels = new PeerChannels({ addressOf: () => address, poolSize: 4, maxMessageBytes: 4 * 1024 * 1024 });
  open.push(channels);
  return new GrpcForwarder({ self: parseNodeId('n1'), clusterId: () => parseClusterId('blue'), channels, ...changes });
}

const call = (changes: Partial<ForwardedCall> = {}, headers: Record<string, string> = {}): ForwardedCall => ({ header: (name) => headers[name], deadlineMs: 5_000, ...changes });
const draft = StoreRequest.fromPartial({ draft: { content: 'tea', tags: ['a'] } });
const keyed = { ...draft, idempotencyKey: 'k' };
const stored = { outcome: 1, memory: undefined, durability: { requested: 1, reached: 1, copies: 2 } };

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

/** Between the nodes: destroys the connection as often as it is told when a request has come. */
async function breakingWire(to: string, breaks: number): Promise<{ readonly address: string; arrived(): void }> {
  let left = breaks;
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(Number(to.split(':')[1]), '127.0.0.1');
    for (const socket of [near, far]) socket.on('error', () => undefined);
    near.pipe(far).pipe(near);
    near.on('close', () => far.destroy());
    sockets.add(near);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => (sockets.forEach((socket) => socket.destroy()), server.close()) });
  return {
    address: `127.0.0.1:${(server.address() as { port: number }).port}`,
    arrived() {
      left -= 1;
      if (left >= 0) for (const socket of sockets) socket.destroy();
    },
  };
}

test('a call arrives as it was made, with the metadata that means something and that of the node', async () => {
  const seen: { request: StoreRequest; call: CallContext }[] = [];
  const address = await owner({ store: (request, context) => (seen.push({ request, call: context }), stored) });

  const answer = await forwarder(address).forward(n2, 'store', draft, call({ requestId: 'r-7' }, { traceparent: '00-1', 'x-engram-node-id': 'faked', cookie: 'secret' }));

  expect(answer).toEqual(stored);
  expect(seen[0]!.request).toEqual(draft);
  const header = (name: string): string | undefined => seen[0]!.call.header(name);
  expect(['x-engram-forwarded-by', 'x-engram-cluster-id', 'x-engram-node-id', 'x-engram-protocol', 'x-request-id', 'traceparent', 'cookie'].map(header)).toEqual(['n1', 'blue', 'n1', '1', 'r-7', '00-1', undefined]);
});

test('an error of the other node is thrown as it is, and the call is not made twice', async () => {
  let calls = 0;
  const address = await owner({
    get: () => {
      calls += 1;
      throw new EngramError('unavailable', 'No quorum.', { details: { retryAfterMs: 20 } });
    },
  });

  await expect(forwarder(address).forward(n2, 'get', { memorySpace: 'work', id: 'a' }, call())).rejects.toMatchObject({ code: 'unavailable', message: 'No quorum.', details: { retryAfterMs: 20, node: 'n2' } });
  expect(calls).toBe(1);
});

test.each([
  ['a read', 'get', { memorySpace: '', id: 'a' }],
  ['a write with an idempotency key', 'store', keyed],
] as const)('%s is made again when the connection breaks before the answer', async (_name, method, request) => {
  let calls = 0;
  let arrived: () => void = () => undefined;
  const take = async (): Promise<never> => {
    calls += 1;
    arrived();
    return (calls === 1 ? new Promise(() => undefined) : stored) as never;
  };
  const wire = await breakingWire(await owner({ store: take, get: take }), 1);
  arrived = () => wire.arrived();

  await forwarder(wire.address).forward(n2, method, request as never, call());

  expect(calls).toBe(2);
});

test('a write without a key is not: whether it happened is not known, and is said', async () => {
  let calls = 0;
  let arrived: () => void = () => undefined;
  const wire = await breakingWire(await owner({ store: () => ((calls += 1), arrived(), new Promise<never>(() => undefined)) }), 1);
  arrived = () => wire.arrived();

  await expect(forwarder(wire.address).forward(n2, 'store', draft, call())).rejects.toMatchObject({ code: 'unavailable', details: { node: 'n2', indeterminate: true } });
  expect(calls).toBe(1);
});

test('a node that does not answer in time is given up: a write may have happened', async () => {
  const address = await owner({ store: () => new Promise<never>(() => undefined) });

  await expect(forwarder(address).forward(n2, 'store', draft, call({ deadlineMs: 200 }))).rejects.toMatchObject({ code: 'deadline_exceeded', details: { indeterminate: true } });
});

test('a node that cannot be reached has done nothing, and is left alone after some tries', async () => {
  const grpc = forwarder('127.0.0.1:1', { connectTimeoutMs: 100, breaker: { failuresMax: 2, openMs: 60_000 } });

  const failure = grpc.forward(n2, 'store', draft, call());
  await expect(failure).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('cannot be reached') });
  await expect(failure).rejects.not.toHaveProperty('details.indeterminate');
  await expect(grpc.forward(n2, 'store', draft, call())).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('not tried') });
});

test('a connection that is refused is not waited for', async () => {
  // Were it waited for, the test would run out of its own time.
  const grpc = forwarder('127.0.0.1:1', { connectTimeoutMs: 60_000 });

  await expect(grpc.forward(n2, 'store', draft, call({ deadlineMs: 60_000 }))).rejects.toMatchObject({ code: 'unavailable', details: { node: 'n2' } });
});

test('a host that takes the connection and says nothing does not hold a call longer than its deadline', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  open.push(silent);
  const address = `127.0.0.1:${(silent.address() as { port: number }).port}`;

  await expect(forwarder(address).forward(n2, 'get', { memorySpace: '', id: 'a' }, call({ deadlineMs: 200 }))).rejects.toMatchObject({ code: expect.stringMatching(/deadline_exceeded|unavailable/), details: { node: 'n2' } });
});

test('a client that goes away cancels a read', async () => {
  const gone = new AbortController();
  const cancelled: Promise<unknown>[] = [];
  const address = await owner({
    get: (_request, context) => {
      cancelled.push(new Promise((resolve) => context.signal.addEventListener('abort', resolve, { once: true })));
      gone.abort();
      return new Promise<never>(() => undefined);
    },
  });

  await expect(forwarder(address).forward(n2, 'get', { memorySpace: '', id: 'a' }, call({ signal: gone.signal }))).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('client has gone') });
  await cancelled[0];
});

test('a write whose client goes away may have happened, and the writes beside it go on', async () => {
  const gone = new AbortController();
  const held: (() => void)[] = [];
  const address = await owner({
    store: ({ idempotencyKey }) => {
      if (idempotencyKey === 'k') return stored;
      gone.abort();
      return new Promise((resolve) => held.push(() => resolve(stored)));
    },
  });
  const grpc = forwarder(address);

  await expect(grpc.forward(n2, 'store', draft, call({ signal: gone.signal }))).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('client has gone'), details: { indeterminate: true } });
  held[0]!();
  await expect(grpc.forward(n2, 'store', keyed, call())).resolves.toEqual(stored);
});

test('writes that are made together travel together, and a large one by itself', async () => {
  const peers: string[] = [];
  const address = await owner({ store: (_request, context) => (peers.push(context.peer), stored) });
  const grpc = forwarder(address);
  const large = StoreRequest.fromPartial({ draft: { content: 'x'.repeat(65_536) } });

  await Promise.all([draft, large, keyed].map((request) => grpc.forward(n2, 'store', request, call())));

  // What came on the shared stream comes from a node, a call of its own from an address.
  expect(peers.filter((peer) => peer === 'n1')).toHaveLength(2);
  expect(peers).toHaveLength(3);
});

test('the session token of a write comes back with its answer, whichever way the write went', async () => {
  const tokens: string[] = [];
  const address = await owner({
    store: ({ draft: sent }, context) => {
      context.answerWith('x-engram-session', `token of ${sent!.content.length}`);
      return stored;
    },
    forget: () => ({ durability: stored.durability }),
  });
  const grpc = forwarder(address);
  const large = StoreRequest.fromPartial({ draft: { content: 'x'.repeat(65_536) } });

  for (const request of [draft, large]) await grpc.forward(n2, 'store', request, call({ onSession: (token) => void tokens.push(token) }));
  await grpc.forward(n2, 'forget', { memorySpace: '', id: 'a', ack: 0 }, call({ onSession: (token) => void tokens.push(token) }));

  expect(tokens).toEqual(['token of 3', 'token of 65536']);
});

test('a node that stops answers what was passed on before, and what comes after goes to it anew', async () => {
  const stopping = new AbortController();
  const held: (() => void)[] = [];
  const address = await owner({ store: () => new Promise((resolve) => held.push(() => resolve(stored))) }, { stopping });
  const grpc = forwarder(address);

  const before = grpc.forward(n2, 'store', draft, call());
  await until(() => held.length === 1);
  stopping.abort();
  held[0]!();

  await expect(before).resolves.toEqual(stored);
  const after = grpc.forward(n2, 'store', draft, call());
  await until(() => held.length === 2);
  held[1]!();
  await expect(after).resolves.toEqual(stored);
});

test('writes under way are answered before the forwarder closes', async () => {
  const held: (() => void)[] = [];
  const address = await owner({ store: () => new Promise((resolve) => held.push(() => resolve(stored))) });
  const grpc = forwarder(address);

  const underWay = grpc.forward(n2, 'store', draft, call());
  await until(() => held.length === 1);
  const closed = grpc.close();
  held[0]!();

  await expect(underWay).resolves.toEqual(stored);
  await closed;
});

test('what was passed on before, a node without a cluster and a node without an address are refused', async () => {
  await expect(forwarder('127.0.0.1:1').forward(n2, 'store', draft, call({}, { 'x-engram-forwarded-by': 'n3' }))).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('n3') });
  await expect(forwarder('127.0.0.1:1', { clusterId: () => undefined }).forward(n2, 'store', draft, call())).rejects.toMatchObject({ code: 'not_ready' });
  await expect(forwarder(undefined).forward(n2, 'store', draft, call())).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('address of n2') });
});
