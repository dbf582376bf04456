import { parseClusterId } from '@engram/kernel';
import { expect, test } from 'vitest';
import { decodeSession, encodeSession, mergeSessions, sessionClusterOf, SessionKeeper, sessionPositionsMax, type Session } from './session-token.js';

const blue = sessionClusterOf(parseClusterId('blue'));
const green = sessionClusterOf(parseClusterId('green'));
const wrote = (partition: number, epoch: number, seq: number, cluster = blue): Session => ({ cluster, positions: [{ partition, epoch, seq }], more: false });
const tokenOf = (...sessions: Session[]): string => encodeSession(sessions.reduce(mergeSessions));

test('a token of one write is short, and the same in every release', () => {
  expect(encodeSession(wrote(583, 3, 1_024))).toBe('ATd0v5aBfJRFAAHHBAOACEv8PGE');
});

test('of one partition the later epoch counts, and within an epoch the later entry', () => {
  expect(mergeSessions(wrote(1, 2, 9), wrote(1, 3, 4)).positions).toEqual([{ partition: 1, epoch: 3, seq: 4 }]);
  expect(mergeSessions(wrote(1, 3, 4), wrote(1, 3, 9)).positions).toEqual([{ partition: 1, epoch: 3, seq: 9 }]);
});

test('a token of more partitions than it holds names the lowest and says that there are more', () => {
  const all = Array.from({ length: sessionPositionsMax + 2 }, (_, partition) => wrote(partition, 1, 1));
  const { positions, more } = all.toReversed().reduce(mergeSessions);
  expect([positions.map(({ partition }) => partition), more]).toEqual([Array.from({ length: sessionPositionsMax }, (_, partition) => partition), true]);
  expect(all.slice(2).reduce(mergeSessions).more).toBe(false);
});

test.each([
  ['', 'is not written as tokens are'],
  ['not a token!', 'is not written as tokens are'],
  ['abc', 'is of version 105'],
  ['AQ', 'was cut off or changed'],
  [`${encodeSession(wrote(1, 1, 1))}AAAA`, 'was cut off or changed'],
  ['A'.repeat(2_049), 'has 2049 characters'],
])('%j is no token, and why is said', (text, why) => {
  expect(() => decodeSession(text)).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining(why), hint: expect.stringContaining('leave the header out') }));
});

test('a client keeps one token of all that it wrote', () => {
  const keeper = new SessionKeeper();
  expect(keeper.token).toBeUndefined();
  keeper.wrote(undefined);
  keeper.wrote(tokenOf(wrote(5, 1, 7)));
  keeper.wrote(tokenOf(wrote(2, 1, 3)));
  keeper.wrote(tokenOf(wrote(5, 1, 6)));
  expect(keeper.token).toBe(tokenOf(wrote(2, 1, 3), wrote(5, 1, 7)));
  expect(new SessionKeeper(keeper.token).token).toBe(keeper.token);
});

test('what a client wrote to a cluster that is another one by now is of no use', () => {
  const keeper = new SessionKeeper(tokenOf(wrote(5, 1, 7)));
  keeper.wrote(tokenOf(wrote(1, 1, 1, green)));
  expect(keeper.token).toBe(tokenOf(wrote(1, 1, 1, green)));
  keeper.wrote('of-a-newer-release');
  expect(keeper.token).toBe('of-a-newer-release');
});
