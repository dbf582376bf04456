import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeSession, encodeSession, mergeSessions, sessionPositionsMax, sessionTokenLengthMax, type Session, type SessionPosition } from './session-token.js';

const number = (max: number): fc.Arbitrary<number> => fc.oneof(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max }));
const position: fc.Arbitrary<SessionPosition> = fc.record({ partition: fc.oneof(fc.nat(3 * sessionPositionsMax), fc.nat(65_535)), epoch: number(1_000_000), seq: number(Number.MAX_SAFE_INTEGER) });

/** As writes leave it behind: one position after the other, also to more partitions than a token holds. */
const session: fc.Arbitrary<Session> = fc.record({ positions: fc.array(position, { maxLength: 90 }), more: fc.boolean() }).map(({ positions, more }) =>
  positions.reduce<Session>((merged, one) => mergeSessions(merged, { cluster: 7n, positions: [one], more: false }), { cluster: 7n, positions: [], more }),
);

test('a token says what it was made of', () => {
  fc.assert(
    fc.property(session, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (one, cluster) => {
      expect(decodeSession(encodeSession({ ...one, cluster }))).toEqual({ ...one, cluster });
    }),
    { numRuns: 500 },
  );
});

test('merging commutes, associates and is idempotent, also beyond what a token holds', () => {
  fc.assert(
    fc.property(session, session, session, (a, b, c) => {
      expect(mergeSessions(a, b)).toEqual(mergeSessions(b, a));
      expect(mergeSessions(mergeSessions(a, b), c)).toEqual(mergeSessions(a, mergeSessions(b, c)));
      expect(mergeSessions(a, a)).toEqual(a);
      expect(mergeSessions(mergeSessions(a, b), b)).toEqual(mergeSessions(a, b));
    }),
    { numRuns: 1_000 },
  );
});

test('nothing that was written is forgotten without a word, and the token stays bounded', () => {
  fc.assert(
    fc.property(session, session, (a, b) => {
      const merged = mergeSessions(a, b);
      const partitions = merged.positions.map(({ partition }) => partition);
      expect(partitions).toEqual([...new Set(partitions)].sort((one, other) => one - other));
      expect(partitions.length).toBeLessThanOrEqual(sessionPositionsMax);
      expect(encodeSession(merged).length).toBeLessThanOrEqual(sessionTokenLengthMax);
      for (const { partition, epoch, seq } of [...a.positions, ...b.positions]) {
        const kept = merged.positions.find((one) => one.partition === partition);
        if (kept === undefined) expect(merged.more).toBe(true);
        else expect(kept.epoch > epoch || (kept.epoch === epoch && kept.seq >= seq)).toBe(true);
      }
    }),
    { numRuns: 1_000 },
  );
});

test('a token that lost or changed a character is refused', () => {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+/=, ';
  fc.assert(
    fc.property(session, fc.nat(), fc.constantFrom('', ...alphabet), (one, at, other) => {
      const token = encodeSession(one);
      const place = at % token.length;
      fc.pre(token[place] !== other);
      expect(() => decodeSession(token.slice(0, place) + other + token.slice(place + 1))).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
    }),
    { numRuns: 1_000 },
  );
});

test('any text is a token or refused as none, and nothing else', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('base64url'))), (text) => {
      try {
        expect(encodeSession(decodeSession(text))).toBe(text);
      } catch (error) {
        expect(error).toMatchObject({ code: 'invalid_argument' });
      }
    }),
    { numRuns: 2_000 },
  );
});
