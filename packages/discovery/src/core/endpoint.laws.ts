import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalHost, familyOf, readEndpoint, spelled } from './endpoint.js';

/** Text made of the characters that addresses are made of comes near to being one far more often than any text. */
const nearlyAddress = fc.string({ unit: fc.constantFrom(...'0123456789abcdefABCDEF:::...[]%-_'), maxLength: 46 });
const anyText = fc.oneof(nearlyAddress, fc.ipV4(), fc.ipV6(), fc.domain(), fc.string({ unit: 'binary', maxLength: 400 }));

test('reading never throws, and what is read has one spelling that reads back as itself', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, fc.tuple(anyText, fc.integer({ min: -1, max: 70_000 })).map(([host, port]) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`))), (text) => {
      const endpoint = readEndpoint(text);
      if (!endpoint) return;
      expect(endpoint.port).toBeGreaterThanOrEqual(1);
      expect(endpoint.port).toBeLessThanOrEqual(65_535);
      expect(readEndpoint(spelled(endpoint))).toEqual(endpoint);
    }),
    { numRuns: 5_000 },
  );
});

test('what is an IPv4 or IPv6 literal to the machine is one here, and nothing else is', () => {
  fc.assert(
    fc.property(fc.oneof(nearlyAddress, fc.ipV4(), fc.ipV6()), (text) => {
      const host = canonicalHost(text);
      if (text.includes('%')) return;
      expect(host !== undefined && familyOf(host) !== 0).toBe(isIPv4(text) || isIPv6(text));
    }),
    { numRuns: 5_000 },
  );
});

test('two spellings of one IPv6 address become one', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), { minLength: 8, maxLength: 8 }), (groups) => {
      const long = groups.map((group) => group.toString(16).padStart(4, '0').toUpperCase()).join(':');
      const short = new URL(`http://[${long}]/`).hostname.slice(1, -1);
      const mapped = canonicalHost(long);
      expect(canonicalHost(short)).toBe(mapped);
      if (mapped?.includes(':')) expect(mapped).toBe(short);
    }),
    { numRuns: 2_000 },
  );
});
