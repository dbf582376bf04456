import { EngramError } from '@engram/kernel';
import { afterEach, expect, test } from 'vitest';
import { deferred, digest, identity, startPeer, type AcceptedStream, type PeerLoopback, type Recorder } from '../test/peers.js';
import type { FrameStream, FrameStreamOptions } from './index.js';

const open: { close(): unknown }[] = [];
afterEach(() => open.splice(0).forEach((opened) => opened.close()));

const mebibyte = 1024 * 1024;

interface Pair {
  readonly n2: PeerLoopback;
  readonly stream: FrameStream;
  readonly events: Recorder;
  readonly accepted: AcceptedStream;
}

async function connected({ calling = {}, called = {} }: { readonly calling?: FrameStreamOptions; readonly called?: FrameStreamOptions } = {}): Promise<Pair> {
  const n2 = await startPeer({ stream: called });
  open.push(n2);
  const accepting = n2.accepted();
  const { stream, events } = n2.call(identity('n1'), 'n2', calling);
  await events.opened_.promise;
  return { n2, stream, events, accepted: await accepting };
}

test('64 MiB for a peer that does not read wait within the bound, then the stream is given up with the reason', async () => {
  const { stream, events, accepted } = await connected({ calling: { outboxBytesMax: 4 * mebibyte } });
  accepted.stream.pause();
  const chunk = Buffer.alloc(64 * 1024, 7);

  let most = 0;
  const outcomes = new Set<string>();
  for (let i = 0; i < 1_024; i += 1) {
    outcomes.add(stream.send(chunk));
    most = Math.max(most, stream.stats().waitingBytes);
  }

  expect(most).toBeLessThanOrEqual(4 * mebibyte + 512 * 1024);
  expect([...outcomes]).toEqual(['sent', 'full', 'overflowed', 'closed']);
  expect(await events.closed_.promise).toMatchObject({ by: 'failure', error: { code: 'overloaded', message: expect.stringContaining('reads too slowly') } });
  accepted.stream.resume();
  await accepted.events.closed_.promise;
});

test('64 MiB for a slow reader all arrive when the sender waits for room, and little of it waits at any time', async () => {
  const { stream, events, accepted } = await connected();
  const chunk = Buffer.alloc(64 * 1024, 7);
  let most = 0;
  let sent = 0;
  const sendWhileWritable = (): void => {
    while (sent < 1_024) {
      sent += 1;
      const outcome = stream.send(chunk);
      most = Math.max(most, stream.stats().waitingBytes);
      if (outcome === 'full') return;
    }
  };
  events.writable = sendWhileWritable;
  let read = 0;
  const allRead = deferred<void>();
  const received = accepted.events.received.bind(accepted.events);
  accepted.events.received = (payload) => {
    received(payload);
    read += payload.byteLength;
    if (read === 64 * mebibyte) allRead.resolve();
    accepted.stream.pause();
    setImmediate(() => accepted.stream.resume());
  };

  sendWhileWritable();
  await allRead.promise;

  expect(most).toBeLessThanOrEqual(512 * 1024);
});

test('a lossy stream drops the oldest that wait and keeps the newest', async () => {
  const { stream, accepted } = await connected({ calling: { outboxBytesMax: 10_000, overflow: 'drop-oldest' } });
  accepted.stream.pause();
  const numbered = (number: number): Buffer => {
    const bytes = Buffer.alloc(1_000);
    bytes.writeUInt32BE(number);
    return bytes;
  };

  for (let i = 0; i < 5_000; i += 1) stream.send(numbered(i));
  const { framesDropped, waitingBytes } = stream.stats();
  accepted.stream.resume();
  const arrived = (await accepted.events.frames(5_000 - framesDropped)).map((bytes) => bytes.readUInt32BE());

  expect(waitingBytes).toBeLessThanOrEqual(10_000 + 256 * 1024 + 2_000);
  expect(framesDropped).toBeGreaterThan(4_000);
  expect(arrived).toEqual([...arrived].sort((a, b) => a - b));
  expect(arrived.slice(-9)).toEqual([4_991, 4_992, 4_993, 4_994, 4_995, 4_996, 4_997, 4_998, 4_999]);
});

test('a frame over the limit is refused and the stream goes on', async () => {
  const { stream, accepted } = await connected({ calling: { frameBytesMax: 1_000 } });

  expect(stream.send(Buffer.alloc(1_000, 1))).toBe('too-large');
  stream.send(Buffer.from('small'));

  expect((await accepted.events.frames(1)).map(String)).toEqual(['small']);
});

test.each(['the caller', 'the called'])('what was sent before %s closes still arrives, and the other end sees an end in good order', async (closing) => {
  const { stream, events, accepted } = await connected();
  const [ours, theirs] = closing === 'the caller' ? [{ stream, events }, accepted] : [accepted, { stream, events }];
  const frames = Array.from({ length: 50 }, (_, i) => Buffer.alloc(20_000, i));

  for (const frame of frames) ours.stream.send(frame);
  ours.stream.close('done');

  expect(await ours.events.closed_.promise).toEqual({ by: 'us', reason: 'done' });
  expect(await theirs.events.closed_.promise).toMatchObject({ by: 'peer' });
  expect(theirs.events.received_.map(digest)).toEqual(frames.map(digest));
  expect(ours.stream.send(Buffer.from('late'))).toBe('closed');
});

test('a close does not wait for ever for a peer that does not read', async () => {
  const { stream, accepted } = await connected({ calling: { closeGraceMs: 50 } });
  accepted.stream.pause();
  for (let i = 0; i < 64; i += 1) stream.send(Buffer.alloc(64 * 1024));

  stream.close('in a hurry');

  await accepted.events.closed_.promise;
  expect(accepted.events.received_.length).toBeLessThan(64);
});

test('a failure is told to the other end: with its code to the caller, as an end to the called', async () => {
  const first = await connected();
  first.accepted.stream.fail(new EngramError('overloaded', 'Too much.'));
  expect(await first.events.closed_.promise).toMatchObject({ by: 'failure', error: { code: 'overloaded', message: 'Too much.' } });

  const second = await connected();
  second.stream.fail(new EngramError('overloaded', 'Too much.'));
  expect(await second.accepted.events.closed_.promise).toMatchObject({ by: 'peer' });
});

test('a server that goes away is seen as a failure', async () => {
  const { n2, events } = await connected();

  n2.close();

  expect(await events.closed_.promise).toMatchObject({ by: 'failure', error: { code: 'unavailable' } });
});

test('a caller of which nothing is heard is taken for dead', async () => {
  const { accepted } = await connected({ called: { silenceMs: 40 }, calling: { silenceMs: 1_000_000 } });

  expect(await accepted.events.closed_.promise).toMatchObject({ by: 'failure', error: { code: 'unavailable', message: expect.stringContaining('Nothing was heard') } });
});

test('a caller with nothing to say is not, and its signs of life are no messages', async () => {
  const { stream, accepted } = await connected({ called: { silenceMs: 400 }, calling: { silenceMs: 40 } });
  const muchLater = deferred<void>();
  setTimeout(() => muchLater.resolve(), 1_000);

  await Promise.race([muchLater.promise, accepted.events.closed_.promise]);
  stream.send(Buffer.from('still here'));

  expect((await accepted.events.frames(1)).map(String)).toEqual(['still here']);
});

test('an empty message is a mistake of the caller', async () => {
  const { stream } = await connected();

  expect(() => stream.send(Buffer.alloc(0))).toThrow(expect.objectContaining({ code: 'assertion_failed' }));
});

test.each([{ frameBytesMax: 0 }, { outboxBytesMax: -1 }, { silenceMs: 1.5 }, { handshakeMs: NaN }])('bounds that are none are refused: %j', async (options) => {
  const n2 = await startPeer();
  open.push(n2);

  expect(() => n2.call(identity('n1'), 'n2', options)).toThrow(expect.objectContaining({ code: 'invalid_options' }));
});
