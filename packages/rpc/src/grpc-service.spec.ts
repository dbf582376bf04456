import { EngramError } from '@engram/kernel';
import { Client, credentials, Metadata, status, type ServiceError } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { startLoopback, type Loopback } from '../test/loopback.js';
import { statusToError } from './error-detail.js';
import { GetResponse, StoreStreamRequest, type StoreStreamResponse } from './gen/engram/v1/memory.js';
import { toGrpcService, type FinishedCall } from './grpc-service.js';

const open: { close(): void }[] = [];
afterEach(() => open.splice(0).forEach((opened) => opened.close()));

async function serving(...args: Parameters<typeof startLoopback>): Promise<Loopback> {
  const loopback = await startLoopback(...args);
  open.push(loopback);
  return loopback;
}

/** A client that sends whatever bytes it is told to. */
function rawClient(address: string): Client {
  const client = new Client(address, credentials.createInsecure());
  open.push(client);
  return client;
}

function callRaw(address: string, method: string, bytes: Buffer, metadata = new Metadata(), deadline = Date.now() + 10_000): Promise<Buffer> {
  const same = (buffer: Buffer): Buffer => buffer;
  return new Promise((resolve, reject) => {
    rawClient(address).makeUnaryRequest(`/engram.v1.Memory/${method}`, same, same, bytes, metadata, { deadline }, (failure, answer) =>
      failure === null && answer !== undefined ? resolve(answer) : reject(failure),
    );
  });
}

const failureOf = (call: Promise<unknown>): Promise<ServiceError> =>
  call.then(
    () => Promise.reject(new Error('the call succeeded')),
    (failure: unknown) => failure as ServiceError,
  );

test('a handler gets the request and its answer reaches the client', async () => {
  const { address } = await serving({ get: ({ id }) => ({ memory: undefined, ...(id === 'abc' ? {} : { wrong: true }) }) });

  const answer = await callRaw(address, 'Get', Buffer.from([0x12, 3, 0x61, 0x62, 0x63]));

  expect(GetResponse.decode(answer)).toEqual({ memory: undefined });
});

test('bytes that are not the message are the fault of the caller', async () => {
  const { address } = await serving({ get: () => ({ memory: undefined }) });

  const failure = await failureOf(callRaw(address, 'Get', Buffer.from([0x12, 200, 1])));

  expect(failure.code).toBe(status.INVALID_ARGUMENT);
  expect(statusToError(failure)).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('the request of Get cannot be decoded') });
});

test('what a handler throws arrives with its code and the id of the request', async () => {
  const { address } = await serving(
    {
      get: () => {
        throw new EngramError('memory_not_found', 'There is no memory x.');
      },
    },
    { newRequestId: () => 'made-here', node: 'n1' },
  );

  const failure = await failureOf(callRaw(address, 'Get', Buffer.alloc(0)));

  expect(failure.code).toBe(status.NOT_FOUND);
  expect(statusToError(failure)).toMatchObject({ code: 'memory_not_found', details: { requestId: 'made-here', node: 'n1' } });
});

test('an error nobody foresaw is internal, and its text goes to the observer only', async () => {
  const finished: FinishedCall[] = [];
  const { address } = await serving({ get: () => Promise.reject(new TypeError('secret')) }, { onFinished: (call) => finished.push(call) });

  const failure = await failureOf(callRaw(address, 'Get', Buffer.alloc(0)));

  expect(failure.code).toBe(status.INTERNAL);
  expect(failure.message).not.toContain('secret');
  expect(finished).toMatchObject([{ method: 'Get', error: { message: 'secret' } }]);
});

test('the request id of the client is kept, a strange one is replaced', async () => {
  const ids: string[] = [];
  const { address } = await serving({ get: (_request, call) => ({ memory: void ids.push(call.requestId) }) }, { newRequestId: () => 'made-here' });
  const withId = (id: string): Metadata => {
    const metadata = new Metadata();
    metadata.set('x-request-id', id);
    return metadata;
  };

  await callRaw(address, 'Get', Buffer.alloc(0), withId('client-7'));
  await callRaw(address, 'Get', Buffer.alloc(0), withId('x'.repeat(129)));

  expect(ids).toEqual(['client-7', 'made-here']);
});

test('an answer over the limit is refused with advice', async () => {
  const content = 'x'.repeat(2_000);
  const memory = { id: 'a', memorySpace: 'default', content, tags: [], confidence: 1, when: undefined, storedAt: undefined, metadata: undefined, embedding: [] };
  const { address } = await serving({ get: () => ({ memory }) }, { messageBytesMax: 1_000 });

  const failure = await failureOf(callRaw(address, 'Get', Buffer.alloc(0)));

  expect(statusToError(failure)).toMatchObject({ code: 'payload_too_large', hint: expect.stringContaining('limit') });
});

test('a call that is past its deadline when it arrives does no work', async () => {
  let calls = 0;
  const { address } = await serving({ get: () => ({ memory: void (calls += 1) }) });

  const failure = await failureOf(callRaw(address, 'Get', Buffer.alloc(0), new Metadata(), Date.now() - 1_000));

  expect(failure.code).toBe(status.DEADLINE_EXCEEDED);
  expect(calls).toBe(0);
});

test('the signal of a call aborts when its deadline passes', async () => {
  let aborted: Promise<unknown> | undefined;
  const { address } = await serving({
    get: (_request, call) => {
      aborted = new Promise((resolve) => call.signal.addEventListener('abort', resolve, { once: true }));
      return aborted.then(() => ({ memory: undefined }));
    },
  });

  const failure = await failureOf(callRaw(address, 'Get', Buffer.alloc(0), new Metadata(), Date.now() + 300));

  expect(failure.code).toBe(status.DEADLINE_EXCEEDED);
  await expect(aborted).resolves.toBeDefined();
});

test('an unknown method is unimplemented', async () => {
  const { address } = await serving({});

  expect((await failureOf(callRaw(address, 'Meditate', Buffer.alloc(0)))).code).toBe(status.UNIMPLEMENTED);
});

test('a stream whose handler fails in the middle keeps the answers it gave and ends with the error', async () => {
  const { address } = await serving({
    async *storeStream(batches) {
      for await (const { sequence } of batches) {
        if (sequence === 3n) throw new EngramError('disk_full', 'No room.');
        yield { sequence, results: [] };
      }
    },
  });
  const encode = (request: StoreStreamRequest): Buffer => Buffer.from(StoreStreamRequest.encode(request).finish());
  const decode = (bytes: Buffer): StoreStreamRequest | StoreStreamResponse => StoreStreamRequest.decode(bytes);
  const call = rawClient(address).makeBidiStreamRequest('/engram.v1.Memory/StoreStream', encode, decode);
  for (const sequence of [1n, 2n, 3n, 4n]) call.write(StoreStreamRequest.fromPartial({ sequence }));

  const answered: bigint[] = [];
  const failure = await failureOf(
    (async () => {
      for await (const { sequence } of call as AsyncIterable<StoreStreamRequest>) answered.push(sequence);
    })(),
  );

  expect(answered).toEqual([1n, 2n]);
  expect(statusToError(failure)).toMatchObject({ code: 'disk_full', message: 'No room.' });
});

test('a stream waits with reading until its handler asks for more', async () => {
  const asked = withResolvers<void>();
  const goOn = withResolvers<void>();
  const { address } = await serving({
    async *storeStream(batches) {
      for await (const { sequence } of batches) {
        asked.resolve();
        await goOn.promise;
        yield { sequence, results: [] };
      }
    },
  });
  const encode = (request: StoreStreamRequest): Buffer => Buffer.from(StoreStreamRequest.encode(request).finish());
  const call = rawClient(address).makeBidiStreamRequest('/engram.v1.Memory/StoreStream', encode, (bytes: Buffer) => StoreStreamRequest.decode(bytes));
  const large = { content: 'x'.repeat(1_000_000) };
  let sent = 0;
  for (let sequence = 1n; sequence <= 20n; sequence++) call.write(StoreStreamRequest.fromPartial({ sequence, drafts: [large] }), () => (sent += 1));
  call.end();

  await asked.promise;
  for (let turn = 0; turn < 1_000; turn++) await new Promise((resolve) => setImmediate(resolve));

  // One is with the handler, one waits for it, one may be on its way through the buffers of the sockets.
  expect(sent).toBeLessThanOrEqual(3);
  goOn.resolve();
  const answered: bigint[] = [];
  for await (const { sequence } of call as AsyncIterable<StoreStreamRequest>) answered.push(sequence);
  expect(answered).toEqual(Array.from({ length: 20 }, (_, i) => BigInt(i + 1)));
});

test('a client that goes away ends the work of its stream', async () => {
  const events: string[] = [];
  const ended = withResolvers<void>();
  const { address } = await serving(
    {
      async *storeStream(batches) {
        try {
          for await (const { sequence } of batches) yield { sequence, results: [] };
        } finally {
          events.push('the handler was let go');
        }
      },
    },
    { onFinished: ({ method }) => ended.resolve(void events.push(`${method} finished`)) },
  );
  const call = rawClient(address).makeBidiStreamRequest('/engram.v1.Memory/StoreStream', (bytes: Buffer) => bytes, (bytes: Buffer) => bytes);
  call.on('error', () => undefined);
  call.write(Buffer.alloc(0));
  await new Promise((resolve) => call.once('data', resolve));

  call.cancel();

  await ended.promise;
  expect(events).toEqual(['the handler was let go', 'StoreStream finished']);
});

test('a contract that streams one way only is refused when the service is made', () => {
  const oneWay = {
    fullName: 'x.Y',
    methods: { watch: { name: 'Watch', requestType: GetResponse, requestStream: false, responseType: GetResponse, responseStream: true } },
  } as const;

  expect(() => toGrpcService(oneWay, { watch: () => ({ memory: undefined }) })).toThrow(expect.objectContaining({ code: 'invalid_options' }));
});

function withResolvers<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void;
  const promise = new Promise<T>((given) => (resolve = given));
  return { promise, resolve };
}
