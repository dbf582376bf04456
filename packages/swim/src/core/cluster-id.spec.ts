/** What a node does with the id of its cluster: its own, others', and none. */
import { Random } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { addressOf, Bench, claim, cluster, clusterHeader, header, id, identity, kindsOf } from '../../test/swim-fixtures.js';
import { clusterTagOf, decodePacket, encodePacket } from './codec.js';
import type { SwimEffect } from './messages.js';
import { SwimCore } from './swim.js';
import type { WireMessage } from './wire.js';

const packet = (clusterId: string | undefined, ...messages: WireMessage[]): Uint8Array => encodePacket(clusterHeader(clusterId), { from: identity('b'), messages });
const introduction = (clusterId: string): WireMessage => ({ kind: 'cluster-id', clusterId });
const ping: WireMessage = { kind: 'ping', seq: 5, target: id('a'), view: 0 };
const isIntroducedBy = (bytes: Uint8Array): unknown => {
  const outcome = decodePacket(bytes, header, 'stream', { datagramBytesMax: 8_192, streamBytesMax: 1_048_576, metadataBytesMax: 16_384 });
  return outcome.kind === 'packet' && outcome.packet.messages.find(({ kind }) => kind === 'cluster-id');
};
const told = (bench: Bench, ...bytes: Uint8Array[]): readonly SwimEffect[] => bytes.flatMap((each) => bench.give({ kind: 'datagram-received', from: addressOf('b'), bytes: each }));
const learned = (clusterId: string): SwimEffect => ({ kind: 'cluster-id-learned', clusterId });
const formed = (): Bench => {
  const bench = Bench.joined(['b']);
  bench.give({ kind: 'set-cluster-id', request: 7, clusterId: 'one' });
  return bench;
};

describe('a node that knows no id', () => {
  test('takes the first that it is told, and then refuses every other', () => {
    const bench = Bench.joined([]);
    expect(told(bench, packet('one', introduction('one'), claim('c')))).toContainEqual(learned('one'));
    expect(bench.core.clusterId).toBe('one');
    expect(told(bench, packet('two', introduction('two'), claim('d')))).toEqual([{ kind: 'rejected', reason: 'other-cluster-id', from: addressOf('b') }]);
    expect(bench.states()).toEqual({ a: 'alive', c: 'alive' });
    expect(bench.core.stats().rejected['other-cluster-id']).toBe(1);
  });

  test('answers a cluster that does not name itself in full, but believes nothing of it', () => {
    const bench = Bench.joined([]);
    const answers = told(bench, packet('one', ping, claim('c'), { kind: 'broadcast', origin: id('c'), high: 1, low: 1, topic: 't', bytes: Uint8Array.of(1) }));
    expect(kindsOf(answers)).toEqual(['send-datagram']);
    expect(answers.map((effect) => 'bytes' in effect && clusterTagOf(effect.bytes))).toEqual([0]);
    expect(bench.core.clusterId).toBeUndefined();
    expect(bench.states()).toEqual({ a: 'alive' });
  });

  test('is not told a name that the header does not stand for', () => {
    const bench = Bench.joined([]);
    const lies = [packet('one', introduction('two'), claim('c')), packet(undefined, introduction('two'), claim('c'))];
    expect(told(bench, ...lies)).toEqual(lies.map(() => ({ kind: 'rejected', reason: 'bad-message', from: addressOf('b') })));
    expect(bench.core.clusterId).toBeUndefined();
    expect(bench.states()).toEqual({ a: 'alive' });
  });

  test('passes on what it has learned', () => {
    const bench = Bench.joined(['b', 'c']);
    bench.runWellMs(10_000);
    told(bench, packet('one', introduction('one')));
    const sent = bench.runMs(1_000).flatMap((effect) => (effect.kind === 'send-datagram' ? [isIntroducedBy(effect.bytes)] : []));
    expect(sent).toContainEqual(introduction('one'));
  });
});

describe('a node that knows the id', () => {
  test('hears one that does not, and tells it when it has answered a probe', () => {
    const bench = formed();
    const pings = bench.runMs(1_000).flatMap((effect) => (effect.kind === 'send-datagram' ? [effect.bytes] : []));
    const asked = pings.flatMap((bytes) => {
      const outcome = decodePacket(bytes, clusterHeader('one'), 'datagram', { datagramBytesMax: 8_192, streamBytesMax: 1, metadataBytesMax: 1 });
      return outcome.kind === 'packet' ? outcome.packet.messages.filter((message) => message.kind === 'ping') : [];
    });
    const answers = told(bench, packet(undefined, { kind: 'ack', seq: asked.at(-1)?.seq ?? 0, stranger: false }, claim('c')));
    expect(answers.flatMap((effect) => (effect.kind === 'send-datagram' ? [isIntroducedBy(effect.bytes)] : []))).toEqual([introduction('one')]);
    expect(bench.states()).toMatchObject({ c: 'alive' });
  });

  test('never sends an address that has not proved itself more than it sent, also when it lacks the id', () => {
    const question = packet(undefined, ping);
    const [answer] = told(formed(), question);
    expect(answer?.kind === 'send-datagram' && answer.bytes.length).toBeLessThanOrEqual(question.length);
  });

  test('names it in every frame', () => {
    const bench = formed();
    const frames = [...bench.runMs(40_000), ...bench.give({ kind: 'stream-received', stream: -1, from: addressOf('b'), bytes: packet('one', introduction('one'), { kind: 'sync-wants', ids: [] }) })];
    const named = frames.flatMap((effect) => (effect.kind === 'open-stream' || effect.kind === 'send-stream' ? [isIntroducedBy(effect.bytes)] : []));
    expect(named.length).toBeGreaterThan(2);
    expect(new Set(named.map((each) => JSON.stringify(each)))).toEqual(new Set([JSON.stringify(introduction('one'))]));
  });

  test('tells whoever opens a stream from another cluster by its header, and the joining fails for that reason', () => {
    const refused = formed().give({ kind: 'stream-received', stream: -1, from: addressOf('b'), bytes: packet('two', introduction('two'), { kind: 'sync-wants', ids: [] }) });
    expect(refused).toEqual([{ kind: 'rejected', reason: 'other-cluster-id', from: addressOf('b') }, { kind: 'send-stream', stream: -1, bytes: clusterHeader('one') }, { kind: 'close-stream', stream: -1 }]);
    const joining = Bench.apart({ clusterId: 'two' });
    joining.give({ kind: 'seeds-resolved', addresses: [addressOf('b')] });
    joining.give({ kind: 'join', request: 1 });
    expect(joining.give({ kind: 'stream-received', stream: 1, from: addressOf('b'), bytes: clusterHeader('one') })).toContainEqual({ kind: 'join-finished', request: 1, contacted: [], failed: [{ address: addressOf('b'), reason: 'other-cluster-id' }] });
  });

  test('cannot be given another by anybody', () => {
    const bench = formed();
    told(bench, packet('two', introduction('two')), packet('one', introduction('two')), packet(undefined, introduction('two')));
    bench.give({ kind: 'stream-received', stream: -1, from: addressOf('b'), bytes: packet('two', introduction('two'), { kind: 'sync-wants', ids: [] }) });
    expect(bench.core.clusterId).toBe('one');
    expect(bench.give({ kind: 'set-cluster-id', request: 8, clusterId: 'two' })).toMatchObject([{ kind: 'request-refused', request: 8, code: 'id_conflict' }]);
    expect(bench.give({ kind: 'set-cluster-id', request: 9, clusterId: 'one' })).toEqual([{ kind: 'request-completed', request: 9 }]);
    expect(bench.core.clusterId).toBe('one');
  });
});

test('an id that is none is refused', () => {
  expect(Bench.joined([]).give({ kind: 'set-cluster-id', request: 1, clusterId: '.no' })).toMatchObject([{ kind: 'request-refused', code: 'invalid_argument' }]);
  expect(() => new SwimCore({ cluster, clusterId: '', id: id('a'), address: addressOf('a'), epoch: 1 }, Random.fromSeed(1))).toThrow(/cluster id/);
});
