import { EngramError, parseNodeId } from '@engram/kernel';
import { Client, credentials } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { identity, startPeer, type PeerLoopback } from '../test/peers.js';
import { answerForwarded, CallSender, type AnswerForwardedOptions, type CallAnswerer, type CallSenderOptions, type FrameStream, type SentCall } from './index.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const opened of open.splice(0)) await opened.close();
});

interface Called {
  readonly peer: PeerLoopback;
  readonly streams: FrameStream[];
}

async function called(answer: CallAnswerer, options: Partial<AnswerForwardedOptions> = {}, messageBytesMax?: number): Promise<Called> {
  const streams: FrameStream[] = [];
  const peer = await startPeer({
    channel: 'forwarding',
    ...(messageBytesMax === undefined ? {} : { messageBytesMax }),
    accept: (caller, stream) => (streams.push(stream), answerForwarded(stream, { peer: caller, answer, metadata: { 'x-engram-forwarded-by': caller }, ...options })),
  });
  open.push(peer);
  return { peer, streams };
}

function sender({ peer }: Called, options: Partial<CallSenderOptions> = {}): CallSender {
  const client = new Client(peer.address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  open.push(client);
  return new CallSender(client, { self: identity('n1'), peer: parseNodeId('n2'), onOver: () => undefined, ...options });
}

const call = (text: string, changes: Partial<SentCall> = {}): SentCall => ({ method: 'Store', request: Buffer.from(text), metadata: new Map([['traceparent', '00-1']]), timeoutMs: 5_000, ...changes });
const upper: CallAnswerer = async (_method, request) => ({ outcome: 'answered', response: Buffer.from(request.toString().toUpperCase()), metadata: undefined });
const texts = (outcomes: readonly { readonly kind: string; readonly response?: Uint8Array }[]): string[] => outcomes.map(({ kind, response }) => (response === undefined ? kind : Buffer.from(response).toString()));

/** Answers when it is told to. */
function slow(): { readonly answer: CallAnswerer; readonly heard: string[]; finish(text: string): void } {
  const held = new Map<string, () => void>();
  const heard: string[] = [];
  return {
    heard,
    answer: (_method, request) => new Promise((resolve) => {
      heard.push(request.toString());
      held.set(request.toString(), () => resolve({ outcome: 'answered', response: Buffer.from(request), metadata: undefined }));
    }),
    finish: (text) => held.get(text)!(),
  };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}

test('calls of one turn leave in one frame, and so do their answers', async () => {
  const far = await called(upper);
  const near = sender(far);

  const outcomes = await Promise.all(['a', 'b', 'c'].map((text) => near.call(call(text))));

  expect(texts(outcomes)).toEqual(['A', 'B', 'C']);
  expect(far.streams[0]!.stats()).toMatchObject({ framesReceived: 1, framesSent: 1 });
});

test('answers find their calls in whatever order they come', async () => {
  const far = slow();
  const near = sender(await called(far.answer));

  const first = near.call(call('first'));
  const second = near.call(call('second'));
  await until(() => far.heard.length === 2);
  far.finish('second');
  expect(texts([await second])).toEqual(['second']);
  far.finish('first');

  expect(texts([await first])).toEqual(['first']);
});

test('the other node knows the metadata of the client, who passed the call on, and how long it is waited for', async () => {
  const seen: unknown[] = [];
  const near = sender(await called(async (method, _request, { metadata, getDeadline }) => {
    seen.push(method, metadata.get('traceparent'), metadata.get('x-engram-forwarded-by'), Math.round((Number(getDeadline()) - Date.now()) / 1_000));
    return { outcome: 'answered', response: Buffer.alloc(0), metadata: undefined };
  }));

  await near.call(call('a', { timeoutMs: 60_000, metadata: new Map([['traceparent', '00-1'], ['x-engram-forwarded-by', 'n9'], ['no key', 'x']]) }));

  expect(seen).toEqual(['Store', ['00-1'], ['n1'], 60]);
});

test('what the other node refuses is refused in its words', async () => {
  const near = sender(await called(async () => ({ outcome: 'failed', error: new EngramError('not_primary', 'Ask n3.', { details: { node: 'n3' } }), context: {} })));

  expect(await near.call(call('a'))).toMatchObject({ kind: 'refused', error: { code: 'not_primary', message: 'Ask n3.', details: { node: 'n3' } } });
});

test('a node that turns this one away has heard none of the calls', async () => {
  const near = sender(await called(upper), { self: identity('n1', 'green') });

  expect(await near.call(call('a'))).toMatchObject({ kind: 'lost', written: false, end: { error: { code: 'invalid_argument' } } });
});

test('a call that was heard and not answered is late, gone or lost, and may have happened', async () => {
  const far = slow();
  const over: boolean[] = [];
  const there = await called(far.answer);
  const near = sender(there, { onOver: (connected) => over.push(connected) });
  const gone = new AbortController();

  const late = near.call(call('late', { timeoutMs: 100 }));
  const left = near.call(call('gone', { signal: gone.signal }));
  const lost = near.call(call('lost'));
  await until(() => far.heard.length === 3);
  expect(await late).toEqual({ kind: 'late', written: true });
  gone.abort();
  expect(await left).toEqual({ kind: 'gone', written: true });
  there.streams[0]!.fail(new EngramError('unavailable', 'Broken on purpose.'));

  expect(await lost).toMatchObject({ kind: 'lost', written: true });
  expect([over, near.waiting]).toEqual([[true], 0]);
});

test('a node that is stopping is called no more, and answers what it was asked before', async () => {
  const far = slow();
  const stopping = new AbortController();
  const over: boolean[] = [];
  const near = sender(await called(far.answer, { stopping: stopping.signal }), { onOver: (connected) => over.push(connected) });

  const before = near.call(call('before'));
  await until(() => far.heard.length === 1);
  stopping.abort();
  await until(() => over.length === 1);
  far.finish('before');

  expect(texts([await before])).toEqual(['before']);
  await near.flushed;
});

test('beyond what may wait, at either end, calls are refused and nothing of them is done', async () => {
  const far = slow();
  const there = await called(far.answer, { callsMax: 2 });
  const bounded = sender(there, { callsMax: 3 });

  const outcomes = ['a', 'b', 'c', 'd'].map((text) => bounded.call(call(text)));

  expect(await outcomes[3]).toMatchObject({ kind: 'refused', error: { code: 'overloaded' } });
  expect(await outcomes[2]).toMatchObject({ kind: 'refused', error: { code: 'overloaded' } });
  expect(far.heard).toEqual(['a', 'b']);
  expect(await sender(there, { bytesMax: 0 }).call(call('e'))).toMatchObject({ kind: 'refused', error: { code: 'overloaded' } });
});

test('a request that no frame can hold is refused, and the others of its turn are answered', async () => {
  const near = sender(await called(upper), { stream: { frameBytesMax: 2_000 } });

  const outcomes = await Promise.all([near.call(call('a')), near.call(call('x'.repeat(3_000))), near.call(call('b'))]);

  expect(texts(outcomes)).toEqual(['A', 'refused', 'B']);
  expect(outcomes[1]).toMatchObject({ error: { code: 'payload_too_large' } });
});

test('handlers hear when the node that called is gone', async () => {
  const cancelled: boolean[] = [];
  const there = await called((_method, _request, served) => (served.once('cancelled', () => cancelled.push(true)), new Promise(() => undefined)));
  const near = sender(there);

  void near.call(call('a'));
  await until(() => there.streams[0]?.stats().framesReceived === 1);
  there.streams[0]!.fail(new EngramError('unavailable', 'Broken on purpose.'));

  await until(() => cancelled.length === 1);
});

test('bytes that are no calls end the stream', async () => {
  const { peer } = await called(upper);
  const { stream, events } = peer.call(identity('n1'), 'n2');

  await events.opened_.promise;
  stream.send(Buffer.from('ff', 'hex'));

  expect(await events.closed_.promise).toMatchObject({ by: 'failure', error: { code: 'invalid_argument' } });
});
