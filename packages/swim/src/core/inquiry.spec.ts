import { describe, expect, test } from 'vitest';
import { addressOf, Bench, claim, clusterHeader, epochOfTests, id, identity, readable } from '../../test/swim-fixtures.js';
import { encodePacket } from './codec.js';
import type { SwimEffect } from './messages.js';

const elsewhere = addressOf('elsewhere');

/** Node `a`, which has not joined and asks these seeds; each stream is numbered as its seed, from 1. */
function asking(...seeds: string[]): { bench: Bench; effects: readonly SwimEffect[] } {
  const bench = new Bench();
  bench.give({ kind: 'seeds-resolved', addresses: seeds.map(addressOf) });
  return { bench, effects: bench.give({ kind: 'inquire', request: 5 }) };
}

const answer = (bench: Bench, stream: number, from: string, ...claims: ReturnType<typeof claim>[]) => bench.frame(stream, identity(from), ...claims, claim(from), { kind: 'sync-done' });
const finished = (more: object): object => ({ kind: 'inquiry-finished', request: 5, namesake: undefined, contacted: [], failed: [], ...more });
const ack = { kind: 'ack', seq: 0, stranger: true } as const;

test('a seed is asked whom it holds under our id, and is told nothing of us', () => {
  const { effects } = asking('b');
  expect(readable(effects)).toEqual([{ kind: 'open-stream', stream: 1, to: addressOf('b'), says: [{ kind: 'sync-wants', ids: [id('a')] }] }]);
});

test('nobody is held: the name is free, and nothing of the answer was taken in', () => {
  const { bench } = asking('b');
  expect(answer(bench, 1, 'b', claim('c'))).toEqual([{ kind: 'close-stream', stream: 1 }, finished({ contacted: [addressOf('b')] })]);
  expect(bench.states()).toEqual({ a: 'alive' });
  expect(bench.core.phase).toBe('idle');
});

describe('somebody is held at another address', () => {
  const held = () => {
    const { bench } = asking('b');
    return { bench, effects: answer(bench, 1, 'b', claim('a', 'alive', { address: elsewhere, epoch: 900 })) };
  };

  test('so that address is asked itself', () => {
    expect(readable(held().effects)).toMatchObject([{ kind: 'close-stream', stream: 1 }, { kind: 'open-stream', stream: 2, to: elsewhere, says: [{ kind: 'ping', target: 'a' }] }]);
  });

  test('and answers under our id: it is a namesake, with where it is and since when', () => {
    expect(held().bench.frame(2, identity('a', 3, 900), ack)).toEqual([{ kind: 'close-stream', stream: 2 }, finished({ namesake: { address: elsewhere, epoch: 900 }, contacted: [addressOf('b')] })]);
  });

  test('and nobody answers: it was a process that is gone', () => {
    expect(held().bench.give({ kind: 'stream-closed', stream: 2, reason: 'refused' })).toEqual([finished({ contacted: [addressOf('b')] })]);
  });

  test('and another member answers, which has the address by now', () => {
    expect(held().bench.frame(2, identity('d'), ack)).toEqual([{ kind: 'close-stream', stream: 2 }, finished({ contacted: [addressOf('b')] })]);
  });

  test('and is silent: that is waited for as long as for any stream', () => {
    const { bench } = held();
    expect(bench.runMs(4_999)).toEqual([]);
    expect(bench.runMs(1)).toEqual([{ kind: 'close-stream', stream: 2 }, finished({ contacted: [addressOf('b')] })]);
  });

  test('dead as far as the others know: it is asked all the same, as they may be wrong', () => {
    const { bench } = asking('b');
    answer(bench, 1, 'b', claim('a', 'dead', { address: elsewhere, epoch: 900 }));
    expect(bench.frame(2, identity('a', 3, 900), ack)).toContainEqual(finished({ namesake: { address: elsewhere, epoch: 900 }, contacted: [addressOf('b')] }));
  });

  test('by several, once it is asked', () => {
    const { bench } = asking('b', 'c');
    const twin = claim('a', 'alive', { address: elsewhere, epoch: 900 });
    const effects = [...answer(bench, 1, 'b', twin), ...answer(bench, 2, 'c', twin)];
    expect(effects.filter(({ kind }) => kind === 'open-stream')).toHaveLength(1);
  });
});

test('somebody is held at our own address: that was ourselves before, and nobody is asked', () => {
  const { bench } = asking('b');
  expect(answer(bench, 1, 'b', claim('a', 'alive', { epoch: 900 }))).toEqual([{ kind: 'close-stream', stream: 1 }, finished({ contacted: [addressOf('b')] })]);
});

test('a seed that answers under our id is the namesake itself, also when it was started in the same second', () => {
  const { bench } = asking('b');
  expect(bench.frame(1, identity('a'), claim('a'), { kind: 'sync-done' })).toEqual([{ kind: 'close-stream', stream: 1 }, finished({ namesake: { address: addressOf('b'), epoch: epochOfTests } })]);
});

test('without seeds, and with none that answers, the name counts as free', () => {
  expect(asking().effects).toEqual([finished({})]);
  const { bench } = asking('b');
  expect(bench.give({ kind: 'stream-closed', stream: 1, reason: 'refused' })).toEqual([finished({ failed: [{ address: addressOf('b'), reason: 'refused' }] })]);
});

test('once one has answered the others are waited for a second, not until their streams are given up', () => {
  const { bench } = asking('b', 'c');
  answer(bench, 1, 'b');
  expect(bench.runMs(999)).toEqual([]);
  expect(bench.runMs(1)).toEqual([{ kind: 'close-stream', stream: 2 }, finished({ contacted: [expect.any(String)] })]);
});

test('a seed of another cluster of the same name says nothing about our name', () => {
  const bench = Bench.apart({ clusterId: 'one' });
  bench.give({ kind: 'seeds-resolved', addresses: [addressOf('b')] });
  bench.give({ kind: 'inquire', request: 5 });
  const bytes = encodePacket(clusterHeader('two'), { from: identity('a'), messages: [claim('a', 'alive', { address: elsewhere }), { kind: 'sync-done' }] });
  expect(bench.give({ kind: 'stream-received', stream: 1, from: addressOf('b'), bytes })).toEqual([
    { kind: 'rejected', reason: 'other-cluster-id', from: addressOf('b') },
    { kind: 'close-stream', stream: 1 },
    finished({ failed: [{ address: addressOf('b'), reason: 'other-cluster-id' }] }),
  ]);
});

test('a node without an id of its cluster learns none by asking', () => {
  const { bench } = asking('b');
  const bytes = encodePacket(clusterHeader('one'), { from: identity('b'), messages: [{ kind: 'cluster-id', clusterId: 'one' }, { kind: 'sync-done' }] });
  expect(bench.give({ kind: 'stream-received', stream: 1, from: addressOf('b'), bytes })).toContainEqual(finished({ contacted: [addressOf('b')] }));
  expect(bench.core.clusterId).toBeUndefined();
});

test('joining ends an inquiry, and there is none once joined', () => {
  const { bench } = asking('b');
  expect(bench.give({ kind: 'join', request: 6 })).toContainEqual({ kind: 'request-refused', request: 5, code: 'not_ready', message: expect.stringContaining('joins') });
  expect(bench.give({ kind: 'inquire', request: 7 })).toMatchObject([{ kind: 'request-refused', request: 7, code: 'not_ready' }]);
});
