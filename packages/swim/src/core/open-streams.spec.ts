import { instant, plusMs, Random } from '@engram/kernel';
import { expect, test } from 'vitest';
import { addressOf, id } from '../../test/swim-fixtures.js';
import { OpenStreams } from './open-streams.js';
import { resolveSwimOptions } from './options.js';
import type { PacketWriter } from './packet-writer.js';
import { SwimContext } from './swim-context.js';

const frame = Uint8Array.of(1);
/** Only its `frame` is used, and what is in it does not matter here. */
const writer = { frame: () => frame } as unknown as PacketWriter;
const streamsOf = (streamsMax: number) => {
  const context = new SwimContext(resolveSwimOptions({ streamsMax, streamTimeoutMs: 5_000 }), Random.fromSeed(1));
  return { context, streams: new OpenStreams(context, writer) };
};
const now = instant(0);
const pull = (name: string) => ({ purpose: 'metadata', to: addressOf(name), id: id(name) }) as const;

test('no more are open at one time than allowed', () => {
  const { context, streams } = streamsOf(2);
  expect(['b', 'c', 'd'].map((name) => streams.open(pull(name), [], now))).toEqual([true, true, false]);
  expect(context.takeEffects()).toEqual([{ kind: 'open-stream', stream: 1, to: addressOf('b'), bytes: frame }, { kind: 'open-stream', stream: 2, to: addressOf('c'), bytes: frame }]);
  streams.end(1);
  expect(streams.open(pull('d'), [], now)).toBe(true);
  expect([streams.count('metadata'), streams.count('verify')]).toEqual([2, 0]);
});

test('each has a deadline until it is over, and is over once', () => {
  const { context, streams } = streamsOf(2);
  streams.open(pull('b'), [], now);
  streams.open(pull('c'), [], plusMs(now, 1_000));
  streams.end(1);
  streams.end(1);
  expect(context.takeEffects().filter(({ kind }) => kind === 'close-stream')).toEqual([{ kind: 'close-stream', stream: 1 }]);
  expect([streams.due(plusMs(now, 5_999)), streams.due(plusMs(now, 6_000))]).toEqual([[], [2]]);
  expect([streams.over(2), streams.over(2)]).toEqual([pull('c'), undefined]);
});

test('closing all tells what they were for', () => {
  const { streams } = streamsOf(2);
  streams.open({ purpose: 'message', to: addressOf('b'), request: 7 }, [], now);
  expect(streams.closeAll()).toEqual([{ purpose: 'message', to: addressOf('b'), request: 7 }]);
  expect([streams.get(1), streams.nextDeadline]).toEqual([undefined, undefined]);
});
