import { parseClusterId, parseSpaceId } from '@engram/kernel';
import { decodeSession, encodeSession, sessionClusterOf, type Session, type SessionPosition } from '@engram/rpc';
import { expect, test } from 'vitest';
import { ClientSession, refuseTokens, type SessionView } from './client-session.js';

const blue = parseClusterId('blue');
const space = parseSpaceId('notes');
const at = (partition: number, seq = 5, epoch = 1): SessionPosition => ({ partition, epoch, seq });
const tokenOf = (positions: readonly SessionPosition[], more: Partial<Session> = {}): string => encodeSession({ cluster: sessionClusterOf(blue), positions, more: false, ...more });

/** A node that has everything up to the fifth entry of each partition, and leads partition 7. */
const view: SessionView = { clusterId: () => blue, leads: (partition) => partition === 7, hasApplied: ({ seq }) => seq <= 5, awaitPosition: ({ seq }, waitMs) => Promise.resolve(seq <= 5 || (seq === 6 && waitMs > 0)) };
const session = (header: string | undefined, of: Partial<SessionView> = {}): ClientSession => new ClientSession({ ...view, ...of }, header);

test('a client without a token depends on nothing', async () => {
  const without = session(undefined);
  expect([without.concerns(1), without.lags(1), await without.caughtUp(1, 0), without.token]).toEqual([false, false, true, undefined]);
});

test('a copy lags in the partitions that a token names, until it has what the token stands for', async () => {
  const token = session(tokenOf([at(1, 5), at(2, 6), at(3, 7)]));
  expect([0, 1, 2, 3].map((partition) => [token.concerns(partition), token.lags(partition)])).toEqual([[false, false], [true, false], [true, true], [true, true]]);
  expect([await token.caughtUp(1, 0), await token.caughtUp(2, 0), await token.caughtUp(2, 100), await token.caughtUp(3, 100)]).toEqual([true, false, true, false]);
  expect(token.behind(space, 3)).toMatchObject({ code: 'copy_behind', retryable: true, message: expect.stringContaining('notes'), details: { space, partition: 3, retryAfterMs: 500 } });
});

test('of what a full token does not name, only the primary can tell', async () => {
  const token = session(tokenOf([at(1)], { more: true }));
  expect([token.lags(1), token.lags(6), token.lags(7)]).toEqual([false, true, false]);
  expect([await token.caughtUp(6, 100), await token.caughtUp(7, 0)]).toEqual([false, true]);
  expect(token.behind(space, 6)).toMatchObject({ code: 'copy_behind', message: expect.stringContaining('Only the primary') });
});

test('several tokens count together', () => {
  const token = session(`${tokenOf([at(1, 9)])}, ${tokenOf([at(2, 9)])}`);
  expect([token.lags(1), token.lags(2)]).toEqual([true, true]);
});

test('what is written goes together with what was written before', () => {
  const token = session(tokenOf([at(1, 9), at(2, 3)]));
  expect(token.token).toBeUndefined();
  token.wrote(at(2, 4));
  token.wroteElsewhere(tokenOf([at(8, 1)]));
  token.wroteElsewhere(undefined);
  token.wroteElsewhere('what another release may write');
  expect(decodeSession(token.token!).positions).toEqual([at(1, 9), at(2, 4), at(8, 1)]);
});

test.each([
  ['what is no token', 'nonsense', {}, 'invalid_argument', 'nonsense'],
  ['an empty header', '', {}, 'invalid_argument', 'no session token'],
  ['a token of another cluster', tokenOf([at(1)], { cluster: sessionClusterOf(parseClusterId('green')) }), {}, 'invalid_argument', 'of another cluster than this node\'s, which is blue'],
  ['more tokens than anybody needs', Array.from({ length: 65 }, () => tokenOf([at(1)])).join(), {}, 'invalid_argument', 'more than 64 tokens'],
  ['a token on a node that belongs to no cluster yet', tokenOf([at(1)]), { clusterId: () => undefined }, 'not_ready', 'belongs to no cluster yet'],
] as const)('refuses %s, and says why', (_what, header, of, code, why) => {
  expect(() => session(header, of)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(why) }));
});

test('a node that runs alone refuses any token', () => {
  expect(() => refuseTokens(undefined)).not.toThrow();
  expect(() => refuseTokens('anything')).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining('runs alone') }));
});
