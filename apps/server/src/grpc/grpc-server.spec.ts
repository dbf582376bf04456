import { EngramError } from '@engram/kernel';
import { createMemoryClient, MemoryDefinition, StoreStreamRequest, StoreStreamResponse } from '@engram/rpc';
import { Client, credentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import type { BatchResult, MemoryDraft } from '../engine/index.js';
import { startGrpcServer, type GrpcServerOptions } from './grpc-server.js';
import type { GrpcEngine } from './memory-service.js';

const cleanUp: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** An engine of which a test says what it needs; everything else is not called. What the disk does is not the question here. */
function engineWith(methods: Partial<GrpcEngine>): GrpcEngine {
  const never = (): never => {
    throw new EngramError('internal', 'This test expects no such call.');
  };
  return { nodeId: 'n1' as GrpcEngine['nodeId'], store: never, storeBatch: never, get: never, list: never, forget: never, recall: never, recallTimeoutMs: 5_000, ...methods };
}

const stored = (draft: MemoryDraft, index: number): BatchResult => ({
  outcome: 'stored',
  memory: { ...draft, id: `m-${index}` as never, confidence: 0.7, whenMs: 0, storedAtMs: 0 },
  durability: { requested: 'local', reached: 'local', copies: 1 },
});

async function start(methods: Partial<GrpcEngine>, options: Partial<GrpcServerOptions> = {}) {
  const logged: object[] = [];
  const server = await startGrpcServer({ bind: '127.0.0.1:0', engine: engineWith(methods), log: { error: (details) => void logged.push(details) }, ...options });
  cleanUp.push(() => server.close(100));
  const client = createMemoryClient({ address: server.address });
  cleanUp.push(() => client.close());
  return { server, client, logged };
}

/** A stream without the help of our client: it reads and writes only when it is told to. */
function rawStream(address: string): ClientDuplexStream<StoreStreamRequest, StoreStreamResponse> {
  const client = new Client(address, credentials.createInsecure());
  cleanUp.push(() => client.close());
  const stream = client.makeBidiStreamRequest(
    `/${MemoryDefinition.fullName}/StoreStream`,
    (request: StoreStreamRequest) => Buffer.from(StoreStreamRequest.encode(request).finish()),
    (bytes: Buffer) => StoreStreamResponse.decode(bytes),
  );
  stream.on('error', () => undefined);
  return stream;
}

const batchOf = (sequence: bigint, drafts: number): StoreStreamRequest =>
  StoreStreamRequest.fromPartial({ sequence, drafts: Array.from({ length: drafts }, (_, i) => ({ content: `${sequence}-${i} ${'x'.repeat(1_000)}` })) });

function gate(): { readonly passed: Promise<void>; open(): void } {
  let open!: () => void;
  const passed = new Promise<void>((resolve) => (open = resolve));
  return { passed, open };
}

test('a client that writes ten thousand drafts while the engine is busy is held back', async () => {
  const first = gate();
  const busy = gate();
  let atWork = 0;
  let atWorkMax = 0;
  let taken = 0;
  const { server } = await start({
    async storeBatch(drafts) {
      atWorkMax = Math.max(atWorkMax, ++atWork);
      first.open();
      await busy.passed;
      taken += drafts.length;
      atWork -= 1;
      return drafts.map(stored);
    },
  });
  const stream = rawStream(server.address);
  let sent = 0;
  for (let sequence = 1n; sequence <= 1_000n; sequence++) stream.write(batchOf(sequence, 10), () => (sent += 1));
  stream.end();

  await first.passed;
  await untilQuiet(() => sent);

  // What left the client: the first batch, at work alone, one that waits, and what flow control and the buffers of the sockets let be
  // on its way. The rest of the ten megabytes waits in the client.
  expect(sent).toBeLessThan(500);
  busy.open();
  const sequences: bigint[] = [];
  for await (const { sequence } of stream as AsyncIterable<StoreStreamResponse>) sequences.push(sequence);
  expect(sequences).toEqual(Array.from({ length: 1_000 }, (_, i) => BigInt(i + 1)));
  expect(taken).toBe(10_000);
  expect(atWorkMax).toBeLessThanOrEqual(2);
});

test('however large its batches are, a stream holds two at work and one that waits', async () => {
  const two = gate();
  const busy = gate();
  let begun = 0;
  const { server } = await start({
    async storeBatch(drafts) {
      begun += 1;
      if (begun === 3) two.open();
      // The first is worked on alone, so it has to be done before two are at work.
      if (begun > 1) await busy.passed;
      return drafts.map(stored);
    },
  });
  const stream = rawStream(server.address);
  let sent = 0;
  for (let sequence = 1n; sequence <= 50n; sequence++) stream.write(batchOf(sequence, 900), () => (sent += 1));
  stream.end();

  await two.passed;
  await untilQuiet(() => sent);

  // One is done, and one more may be on its way through the buffers of the sockets.
  expect(begun).toBe(3);
  expect(sent).toBeLessThanOrEqual(5);
  busy.open();
  let answers = 0;
  for await (const { results } of stream as AsyncIterable<StoreStreamResponse>) answers += results.length;
  expect(answers).toBe(45_000);
});

test('a client that reads no answers is held back', async () => {
  let batches = 0;
  const { server } = await start({
    storeBatch(drafts) {
      batches += 1;
      return Promise.resolve(drafts.map(stored));
    },
  });
  const stream = rawStream(server.address);
  for (let sequence = 1n; sequence <= 2_000n; sequence++) stream.write(batchOf(sequence, 10));
  stream.end();
  // Fetches a first few answers without handing them out: a grpc-js client that was never asked for one buffers them all.
  stream.read(0);

  await untilQuiet(() => batches);

  const held = batches;
  expect(held).toBeGreaterThan(0);
  expect(held).toBeLessThan(1_000);
  let answers = 0;
  for await (const { results } of stream as AsyncIterable<StoreStreamResponse>) answers += results.length;
  expect(answers).toBe(20_000);
});

test('streams beyond the bound are refused as overloaded, and have room again once one has ended', async () => {
  const { client } = await start({ storeBatch: (drafts) => Promise.resolve(drafts.map(stored)) }, { limits: { maxStoreStreams: 1 } });
  const forever = async function* () {
    yield [{ content: 'x' }];
    await new Promise(() => undefined);
  };
  const first = client.storeStream(forever());
  await first.next();

  await expect(client.storeStream([[{ content: 'y' }]]).next()).rejects.toMatchObject({ code: 'overloaded', retryable: true, details: { retryAfterMs: 1_000 } });

  await first.return();
  await expect(retried(() => client.storeStream([[{ content: 'z' }]]).next())).resolves.toMatchObject({ value: { sequence: 1n } });
});

test('closing ends a stream between two batches and tells the client so', async () => {
  const { server, client } = await start({ storeBatch: (drafts) => Promise.resolve(drafts.map(stored)) });
  const forever = async function* () {
    yield [{ content: 'x' }];
    await new Promise(() => undefined);
  };
  const answers = client.storeStream(forever());
  expect((await answers.next()).value).toMatchObject({ sequence: 1n });

  const [closed, ended] = await Promise.allSettled([server.close(10_000), answers.next()]);

  expect(closed).toMatchObject({ status: 'fulfilled' });
  expect(ended).toMatchObject({ status: 'rejected', reason: { code: 'shutting_down', retryable: true } });
});

test('closing lets a call that is under way finish', async () => {
  const called = gate();
  const busy = gate();
  const { server, client } = await start({
    async forget() {
      called.open();
      await busy.passed;
      return { durability: { requested: 'local', reached: 'local', copies: 1 } };
    },
  });
  const call = client.forget({ id: 'a' });
  await called.passed;
  const closed = server.close(10_000);
  busy.open();

  await expect(call).resolves.toMatchObject({ durability: { copies: 1 } });
  await closed;
});

test('closing waits no longer than it may for a call that does not end', async () => {
  const called = gate();
  const { server, client } = await start({
    forget() {
      called.open();
      return new Promise(() => undefined);
    },
  });
  const call = client.forget({ id: 'a' });
  // The failure comes while the server closes, before anybody waits for it.
  call.catch(() => undefined);
  await called.passed;

  await server.close(50);

  await expect(call).rejects.toMatchObject({ retryable: true });
});

test('an error nobody foresaw is logged under the id that the client is told', async () => {
  const { client, logged } = await start({
    get() {
      throw new TypeError('a defect');
    },
  });

  const error = await client.get({ id: 'a' }, { requestId: 'r-7' }).catch((failure: unknown) => failure as EngramError);

  expect(error).toMatchObject({ code: 'internal', details: { requestId: 'r-7', node: 'n1' } });
  expect((error as EngramError).message).not.toContain('defect');
  expect(logged).toMatchObject([{ requestId: 'r-7', method: 'Get', err: { message: 'a defect' } }]);
});

test('the time left for a recall is no more than the deadline of its call', async () => {
  let timeoutMs: number | undefined;
  const { client } = await start({
    recall(request) {
      timeoutMs = request.timeoutMs;
      return { memories: [], confidence: 0, partial: false, missing: [], penalty: 0, tookMs: 0 };
    },
  });

  await client.recall({ cue: { text: 'x' } }, { deadlineMs: 2_000 });
  expect(timeoutMs).toBeLessThanOrEqual(2_000);
  await client.recall({ cue: { text: 'x' }, timeoutMs: 7 }, { deadlineMs: 2_000 });
  expect(timeoutMs).toBe(7);
});

test('an address in use is said to be', async () => {
  const { server } = await start({});

  await expect(start({}, { bind: server.address })).rejects.toMatchObject({ code: 'address_in_use', message: expect.stringContaining(server.address) as string });
});

test('an address that is not of this machine is a fault of the configuration', async () => {
  await expect(start({}, { bind: '192.0.2.1:0' })).rejects.toMatchObject({ code: 'invalid_config' });
});

test('a limit that cannot work is refused by name', async () => {
  await expect(start({}, { limits: { keepaliveMs: 0 } })).rejects.toMatchObject({ code: 'invalid_options', details: { option: 'keepaliveMs' } });
});

/** Resolves once the count has not moved for a thousand turns of the event loop, on which both ends of the call live. */
async function untilQuiet(count: () => number): Promise<void> {
  let quiet = 0;
  for (let last = count(); quiet < 1_000; last = count()) {
    await new Promise((resolve) => setImmediate(resolve));
    quiet = count() === last ? quiet + 1 : 0;
  }
}

/** Tries until it succeeds: the server learns a moment later than the client that a call is over. */
async function retried<Value>(attempt: () => Promise<Value>): Promise<Value> {
  for (let left = 200; ; left--) {
    try {
      return await attempt();
    } catch (error) {
      if (left === 0) throw error;
    }
  }
}
