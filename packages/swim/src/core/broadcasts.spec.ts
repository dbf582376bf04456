import { describe, expect, test } from 'vitest';
import { addressOf, Bench, claim, id, identity, kindsOf, readable, said } from '../../test/swim-fixtures.js';

const bytes = Uint8Array.of(1, 2, 3);
const message = (low: number, size = 3) => ({ kind: 'broadcast' as const, origin: id('x'), high: 1, low, topic: 'news', bytes: new Uint8Array(size) });

describe('a broadcast', () => {
  test('of ours rides like news', () => {
    const bench = Bench.joined(['b']);
    expect(bench.give({ kind: 'broadcast', request: 3, topic: 'news', bytes })).toEqual([{ kind: 'request-completed', request: 3 }]);
    expect(said(bench.runMs(250), 'broadcast')[0]).toMatchObject({ to: addressOf('b'), message: { origin: 'a', topic: 'news', bytes } });
  });

  test('of others is delivered once and passed on', () => {
    const bench = Bench.joined(['b', 'c']);
    expect(bench.datagram(identity('b'), message(1))).toEqual([{ kind: 'broadcast-received', from: 'x', topic: 'news', bytes: message(1).bytes }]);
    expect(bench.datagram(identity('c'), message(1))).toEqual([]);
    expect(said(bench.runMs(250), 'broadcast').length).toBeGreaterThan(0);
  });

  test('of ours that comes back is not delivered to ourselves', () => {
    const bench = Bench.joined(['b']);
    bench.give({ kind: 'broadcast', request: 3, topic: 'news', bytes });
    const [sent] = said(bench.runMs(250), 'broadcast');
    expect(bench.datagram(identity('b'), sent?.message as never)).toEqual([]);
  });

  test('stops riding after its rides', () => {
    const bench = Bench.joined(['b']);
    bench.give({ kind: 'broadcast', request: 3, topic: 'news', bytes });
    expect(said(bench.runWellMs(60_000), 'broadcast')).toHaveLength(8);
    expect(bench.core.stats().broadcastsQueued).toBe(0);
  });

  test('is refused when so many are still on their way, and taken again later', () => {
    const bench = Bench.joined(['b'], { broadcastsMax: 2 });
    const sent = [1, 2, 3].map((request) => bench.give({ kind: 'broadcast', request, topic: 't', bytes })[0]);
    expect(sent.map((effect) => effect?.kind)).toEqual(['request-completed', 'request-completed', 'request-refused']);
    expect(sent[2]).toMatchObject({ code: 'overloaded' });
    bench.runWellMs(60_000);
    expect(kindsOf(bench.give({ kind: 'broadcast', request: 4, topic: 't', bytes }))).toEqual(['request-completed']);
  });

  test('of others pushes out the most travelled, so the queue keeps its bound', () => {
    const bench = Bench.joined(['b'], { broadcastsMax: 5 });
    for (let low = 0; low < 500; low++) bench.datagram(identity('b'), message(low));
    expect(bench.core.stats().broadcastsQueued).toBe(5);
  });

  test('does not starve behind news of members, nor they behind it', () => {
    const bench = Bench.joined([]);
    bench.datagram(identity('b'), ...Array.from({ length: 100 }, (_, i) => claim(`m${i}`)));
    for (let low = 0; low < 20; low++) bench.datagram(identity('b'), message(low, 200));
    const effects = bench.runMs(250).filter(({ kind }) => kind === 'send-datagram').slice(0, 1);
    expect(said(effects, 'broadcast').length).toBeGreaterThan(0);
    expect(said(effects, 'claim').length).toBeGreaterThan(5);
  });

  test('larger than our own packets is delivered but not passed on', () => {
    const bench = Bench.joined(['b']);
    expect(kindsOf(bench.datagram(identity('b'), message(1, 2_000)))).toEqual(['broadcast-received']);
    expect(bench.core.stats().broadcastsQueued).toBe(0);
  });
});

describe('a message to one member', () => {
  const send = (bench: Bench, reliable: boolean, payload = bytes) => bench.give({ kind: 'send-message', request: 8, to: id('b'), bytes: payload, reliable });

  test('goes by datagram and is done', () => {
    expect(readable(send(Bench.joined(['b']), false))).toEqual([{ kind: 'send-datagram', to: addressOf('b'), says: [{ kind: 'message', target: id('b'), epoch: 1_000, bytes }] }, { kind: 'request-completed', request: 8 }]);
  });

  test('that is to be reliable goes by stream and is done when the other side has it', () => {
    const bench = Bench.joined(['b']);
    const large = new Uint8Array(100_000);
    expect(readable(send(bench, true, large))).toEqual([{ kind: 'open-stream', stream: 1, to: addressOf('b'), says: [{ kind: 'message', target: id('b'), epoch: 1_000, bytes: large }] }]);
    expect(bench.frame(1, identity('b'), { kind: 'received' })).toEqual([{ kind: 'close-stream', stream: 1 }, { kind: 'request-completed', request: 8 }]);
  });

  test('that is not acknowledged is refused as unavailable', () => {
    const bench = Bench.joined(['b']);
    send(bench, true);
    expect(bench.give({ kind: 'stream-closed', stream: 1, reason: 'reset' })).toMatchObject([{ kind: 'request-refused', request: 8, code: 'unavailable' }]);
  });

  test('is refused as overloaded when too many streams are open', () => {
    const bench = Bench.joined(['b'], { streamsMax: 2 });
    expect([1, 2, 3].map(() => send(bench, true)[0]?.kind)).toEqual(['open-stream', 'open-stream', 'request-refused']);
  });

  test.each([[false, 0], [true, -1]])('is received (reliable: %s)', (reliable, stream) => {
    const bench = Bench.joined(['b']);
    const received = stream === 0 ? bench.datagram(identity('b'), { kind: 'message', target: id('a'), epoch: 1_000, bytes }) : bench.frame(stream, identity('b'), { kind: 'message', target: id('a'), epoch: 1_000, bytes });
    expect(received[0]).toEqual({ kind: 'message-received', from: 'b', bytes, reliable });
    expect(readable(received).slice(1)).toEqual(reliable ? [{ kind: 'send-stream', stream: -1, says: [{ kind: 'received' }] }] : []);
  });

  test('that was recorded on its way to another, or to an earlier life, is nothing to us', () => {
    const bench = Bench.joined(['b']);
    const misdirected = { kind: 'rejected', reason: 'misdirected', from: addressOf('b') };
    expect(bench.datagram(identity('b'), { kind: 'message', target: id('c'), epoch: 1_000, bytes })).toEqual([misdirected]);
    expect(bench.datagram(identity('b'), { kind: 'message', target: id('a'), epoch: 999, bytes })).toEqual([misdirected]);
    expect(bench.frame(-1, identity('b'), { kind: 'message', target: id('c'), epoch: 1_000, bytes })).toEqual([misdirected, { kind: 'close-stream', stream: -1 }]);
    // A stream cannot be replayed, and whoever sends it may not have heard yet that we restarted.
    expect(kindsOf(bench.frame(-1, identity('b'), { kind: 'message', target: id('a'), epoch: 999, bytes }))).toEqual(['message-received', 'send-stream']);
  });
});
