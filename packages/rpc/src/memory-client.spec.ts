import { EngramError } from '@engram/kernel';
import { afterEach, describe, expect, test } from 'vitest';
import { startLoopback } from '../test/loopback.js';
import type { CallContext } from './call-context.js';
import type { StoreStreamResponse } from './gen/engram/v1/memory.js';
import { AckLevel, StoreOutcome, type MemoryDraft } from './gen/engram/v1/types.js';
import type { GrpcServiceOptions } from './grpc-service.js';
import { createMemoryClient, type MemoryClient, type MemoryClientOptions } from './memory-client.js';
import { encodeSession, sessionHeader } from './session-token.js';

const open: { close(): void }[] = [];
afterEach(() => open.splice(0).forEach((opened) => opened.close()));

async function clientOf(
  handlers: Parameters<typeof startLoopback>[0],
  clientOptions: Partial<MemoryClientOptions> = {},
  serviceOptions: GrpcServiceOptions = {},
): Promise<MemoryClient> {
  const loopback = await startLoopback(handlers, serviceOptions);
  const client = createMemoryClient({ address: loopback.address, ...clientOptions });
  open.push(client, loopback);
  return client;
}

const stored = (draft: MemoryDraft) => ({
  result: { $case: 'stored' as const, value: { id: draft.content, memorySpace: 'default', outcome: 1, storedAt: undefined, durability: { requested: 1, reached: 1, copies: 1 } } },
});

/** Answers every batch, and counts how many it has taken. */
function answering(taken: bigint[] = []) {
  return {
    async *storeStream(batches: AsyncIterable<{ sequence: bigint; drafts: MemoryDraft[] }>): AsyncGenerator<StoreStreamResponse> {
      for await (const { sequence, drafts } of batches) {
        taken.push(sequence);
        yield { sequence, results: drafts.map(stored) };
      }
    },
  };
}

test('a request may leave out what has a default', async () => {
  const client = await clientOf({
    store: ({ draft, ack }) => ({
      outcome: StoreOutcome.STORE_OUTCOME_STORED,
      memory: { ...draft!, id: 'a', confidence: draft!.confidence ?? 0.7, storedAt: undefined },
      durability: { requested: ack, reached: AckLevel.ACK_LEVEL_LOCAL, copies: 1 },
    }),
  });

  const { memory, durability } = await client.store({ draft: { content: 'Ada likes tea.', metadata: { source: 'chat' } } });

  expect(memory).toMatchObject({ content: 'Ada likes tea.', memorySpace: '', tags: [], confidence: 0.7, metadata: { source: 'chat' } });
  expect(durability?.requested).toBe(AckLevel.ACK_LEVEL_UNSPECIFIED);
});

describe('what a client has written', () => {
  const token = (...seqs: number[]) => encodeSession({ cluster: 7n, positions: seqs.map((seq, partition) => ({ partition, epoch: 1, seq })), more: false });

  test('goes along with all that it reads, and with nothing else', async () => {
    const sent: (string | undefined)[] = [];
    const read = (_request: unknown, call: CallContext): { memories: []; memory: undefined } => (sent.push(call.header(sessionHeader)), { memories: [], memory: undefined });
    const write = (session: string) => (_request: unknown, call: CallContext) => {
      sent.push(call.header(sessionHeader));
      call.answerWith(sessionHeader, session);
      return { outcome: StoreOutcome.STORE_OUTCOME_STORED, memory: undefined, durability: undefined };
    };
    const recalled = { confidence: 0, partial: false, missing: [], penalty: 0, tookMs: 0 };
    const client = await clientOf({
      store: write(token(4)), forget: write(token(3, 9)), get: read, list: read, recall: (request, call) => ({ ...recalled, ...read(request, call) }),
      async *storeStream(batches) {
        for await (const { sequence } of batches) yield { sequence, results: [], session: token(4, 9, Number(sequence)) };
      },
    });

    await client.get({ id: 'a' });
    await client.store({});
    await client.get({ id: 'a' });
    await client.forget({ id: 'a' });
    await client.list({});
    for await (const _answer of client.storeStream([[], []]));
    await client.recall({});

    expect(sent).toEqual([undefined, undefined, token(4), undefined, token(4, 9), token(4, 9, 2)]);
    expect(client.session).toBe(token(4, 9, 2));
  });

  test('can be handed to another one', async () => {
    const sent: (string | undefined)[] = [];
    const client = await clientOf({ get: (_request, call) => (sent.push(call.header(sessionHeader)), { memory: undefined }) }, { session: token(4) });

    await client.get({ id: 'a' });

    expect(sent).toEqual([token(4)]);
    await expect(clientOf({}, { session: 'no token' })).rejects.toMatchObject({ code: 'invalid_argument' });
  });
});

test('a failed call rejects with the error of the server', async () => {
  const client = await clientOf({
    get: () => {
      throw new EngramError('memory_not_found', 'There is no memory x.', { details: { space: 'work' } });
    },
  });

  await expect(client.get({ id: 'x' })).rejects.toMatchObject({ code: 'memory_not_found', message: 'There is no memory x.', details: { space: 'work' } });
});

test('no server at the address is unavailable', async () => {
  const { address, close } = await startLoopback({});
  close();
  const client = createMemoryClient({ address });
  open.push(client);

  await expect(client.get({ id: 'x' })).rejects.toMatchObject({ code: 'unavailable', retryable: true });
});

test('a call over its deadline is deadline_exceeded', async () => {
  const client = await clientOf({ get: () => new Promise(() => undefined) }, { deadlineMs: 100 });

  await expect(client.get({ id: 'x' })).rejects.toMatchObject({ code: 'deadline_exceeded' });
});

test('a message over the limit of the server is payload_too_large', async () => {
  const client = await clientOf({}, { messageBytesMax: 16 * 1024 * 1024 });

  await expect(client.store({ draft: { content: 'x'.repeat(5_000_000) } })).rejects.toMatchObject({ code: 'payload_too_large', retryable: false });
});

test('an answer over the limit of the client is payload_too_large', async () => {
  const client = await clientOf({ list: () => ({ memories: [], next: 'x'.repeat(3_000) }) }, { messageBytesMax: 1_000 });

  await expect(client.list({})).rejects.toMatchObject({ code: 'payload_too_large' });
});

test('a closed client says so', async () => {
  const client = await clientOf({});
  client.close();

  await expect(client.get({ id: 'x' })).rejects.toMatchObject({ code: 'unavailable', message: 'This client is closed.' });
});

test.each([{ deadlineMs: 0 }, { messageBytesMax: 0.5 }, { address: '' }])('options that cannot work are refused: %j', (options) => {
  expect(() => createMemoryClient({ address: 'localhost:1', ...options })).toThrow(expect.objectContaining({ code: 'invalid_options' }));
});

test('a stream answers batch after batch, draft after draft, in order', async () => {
  const client = await clientOf(answering());
  const batches = Array.from({ length: 50 }, (_, batch) => [0, 1, 2].map((draft) => ({ content: `${batch}-${draft}` })));

  const ids: string[] = [];
  for await (const { results } of client.storeStream(batches)) {
    for (const { result } of results) ids.push(result?.$case === 'stored' ? result.value.id : 'refused');
  }

  expect(ids).toEqual(batches.flat().map(({ content }) => content));
});

test('the source is read no further ahead of the answers than the window allows', async () => {
  const client = await clientOf(answering());
  let taken = 0;
  let answered = 0;
  let aheadMax = 0;
  const source = function* () {
    for (; taken < 200; taken++) {
      aheadMax = Math.max(aheadMax, taken - answered);
      yield [{ content: `${taken}` }];
    }
  };

  for await (const answer of client.storeStream(source(), { unansweredMax: 3 })) answered = Number(answer.sequence);

  expect(answered).toBe(200);
  // One batch more than the window: it is in hand, waiting to enter; and one for the answer that this loop has in hand.
  expect(aheadMax).toBeLessThanOrEqual(5);
});

test('leaving the loop early ends the call on the server', async () => {
  let ended: (method: string) => void = () => undefined;
  const finished = new Promise<string>((resolve) => (ended = resolve));
  const client = await clientOf(answering(), {}, { onFinished: ({ method }) => ended(method) });
  const endless = function* () {
    for (;;) yield [{ content: 'again' }];
  };

  for await (const { sequence } of client.storeStream(endless())) if (sequence === 5n) break;

  expect(await finished).toBe('StoreStream');
});

test('a source that fails ends the stream with its own error', async () => {
  const client = await clientOf(answering());
  const failing = function* () {
    yield [{ content: 'first' }];
    throw new RangeError('the source is broken');
  };

  const read = async (): Promise<void> => {
    for await (const answer of client.storeStream(failing())) expect(answer.sequence).toBe(1n);
  };

  await expect(read()).rejects.toThrow('the source is broken');
});

test('a batch that cannot be encoded is the fault of the caller', async () => {
  const client = await clientOf(answering());

  const first = client.storeStream([[{ content: '\ud800' }]]).next();

  await expect(first).rejects.toMatchObject({ code: 'invalid_argument' });
});

test('an error of the server ends the stream with its code', async () => {
  const client = await clientOf({
    async *storeStream() {
      throw new EngramError('disk_full', 'No room.');
    },
  });

  await expect(client.storeStream([[{ content: 'x' }]]).next()).rejects.toMatchObject({ code: 'disk_full' });
});

test('a server that stops answering before the end is noticed', async () => {
  const client = await clientOf({
    async *storeStream(batches) {
      for await (const { sequence } of batches) {
        yield { sequence, results: [] };
        return;
      }
    },
  });
  const answers = client.storeStream([[{ content: 'a' }], [{ content: 'b' }], [{ content: 'c' }]], { unansweredMax: 3 });

  expect((await answers.next()).value).toMatchObject({ sequence: 1n });
  await expect(answers.next()).rejects.toMatchObject({ code: 'unavailable', details: { indeterminate: true } });
});
