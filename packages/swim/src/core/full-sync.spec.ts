import { describe, expect, test } from 'vitest';
import { addressOf, Bench, claim, id, identity, readable } from '../../test/swim-fixtures.js';
import type { SwimEffect } from './messages.js';

const options = { periodMs: 1_000, syncMs: 30_000 };
const syncs = (bench: Bench): number => bench.core.stats().syncs;
/** As `b` sends it, holding `view`. */
const pingFrom = (bench: Bench, view: number): unknown => bench.datagram(identity('b'), { kind: 'ping', seq: 1, target: id('a'), view });
/** The fingerprint of all it holds, as its own pings tell. */
function viewOf(bench: Bench): number {
  for (const effect of readable(bench.runWellMs(3_000))) {
    const says = (effect['says'] ?? []) as readonly { kind: string; view?: number }[];
    for (const { kind, view } of says) if (kind === 'ping') return view as number;
  }
  throw new Error('it sent no ping');
}

describe('the periodic full sync', () => {
  test('is made each time while nobody says that views are the same', () => {
    const bench = Bench.joined(['b'], options);
    bench.runWellMs(10 * 60_000);
    expect(syncs(bench)).toBeGreaterThanOrEqual(15);
  });

  test('is made every sixth time while pings say so', () => {
    const bench = Bench.joined(['b'], options);
    const view = viewOf(bench);
    for (let second = 0; second < 600; second++) {
      bench.runWellMs(1_000);
      pingFrom(bench, view);
    }
    expect(syncs(bench)).toBeGreaterThanOrEqual(2);
    expect(syncs(bench)).toBeLessThanOrEqual(5);
  });
});

test('a ping with another view brings a sync at once when all is quiet', () => {
  const bench = Bench.joined(['b'], options);
  bench.runWellMs(10_000);
  const before = syncs(bench);
  pingFrom(bench, 1);
  expect(syncs(bench)).toBe(before + 1);
});

describe('deaths that a frame tells of', () => {
  const names = Array.from({ length: 40 }, (_, i) => `m${i}`);
  const direct = (effects: readonly SwimEffect[]): number => effects.filter(({ kind }) => kind === 'send-datagram').length;

  test('are told at once to 32 of the members it calls dead, and the others hear it with their next probe', () => {
    const bench = Bench.joined(names);
    expect(direct(bench.frame(-1, identity('m0'), ...names.slice(1).map((name) => claim(name, 'dead')), { kind: 'sync-wants', ids: [] }))).toBe(32);
  });

  test('leave nothing over for datagrams: one must not make us send to many', () => {
    const bench = Bench.joined(names);
    bench.frame(-1, identity('m0'), { kind: 'sync-wants', ids: [] });
    expect(direct(bench.datagram(identity('m0'), ...names.slice(1, 10).map((name) => claim(name, 'dead', { ageS: 3_600 }))))).toBe(0);
  });
});

test('two nodes that were given one id are shown to each other', () => {
  const bench = Bench.joined(['b']);
  const asked = bench.frame(-1, identity('b', 0, 2_000), claim('b', 'alive', { epoch: 900, address: addressOf('9999') }), { kind: 'sync-buckets', fingerprints: new Array<number>(64).fill(0) });
  expect(readable(asked)).toMatchObject([{ kind: 'send-stream', says: [{ id: 'a' }, { id: 'b', address: addressOf('b') }, { kind: 'sync-digest' }] }]);
});
