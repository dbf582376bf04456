import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wildJson } from '../../test/wild-json.js';
import { readEndpoint } from '../core/endpoint.js';
import { endOfPrefix, grantedLease, listingOf, refusalOf, registeredValue, remainingTtl, tokenIn, watchMessage } from './etcd-answer.js';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('whatever etcd answers', () => {
  test('parsing ends in readable endpoints or in nothing, and never throws', () => {
    const keys = ['header', 'revision', 'kvs', 'value', 'count', 'result', 'error', 'message', 'canceled', 'cancel_reason', 'compact_revision', 'events', 'TTL', 'ID', 'token'];
    fc.assert(
      fc.property(wildJson(keys), (json) => {
        const endpoints = listingOf(json)?.answer.endpoints ?? [];
        expect(endpoints.every((endpoint) => readEndpoint(endpoint) !== undefined)).toBe(true);
        expect(watchMessage(json)?.kind ?? 'progress').toMatch(/^(progress|changed|compacted|ended)$/);
        expect(remainingTtl(json) ?? 0).toBeGreaterThanOrEqual(0);
        expect(typeof refusalOf(json)).toBe('string');
        for (const text of [grantedLease(json), tokenIn(json)]) expect(text ?? 'x').toMatch(/^[\x21-\x7e]+$/);
      }),
      { numRuns: 1_000 },
    );
  });

  test('what a node registers is what others read, whatever stands in the other keys', () => {
    fc.assert(
      fc.property(fc.ipV4().filter((ip) => ip !== '0.0.0.0'), fc.integer({ min: 1, max: 65_535 }), fc.array(fc.string()), (host, port, others) => {
        const value = registeredValue({ cluster: 'c', nodeId: 'n', swim: `${host}:${port}` });
        const kvs = [...others, value].map((text) => ({ value: base64(text) }));
        expect(listingOf({ header: { revision: '1' }, kvs })?.answer.endpoints).toContain(`${host}:${port}`);
      }),
      { numRuns: 300 },
    );
  });

  test('the range of a prefix holds exactly the keys that begin with it', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 6 }), fc.uint8Array({ maxLength: 8 }), (prefix, key) => {
        fc.pre(prefix.some((byte) => byte < 0xff));
        const [from, to, tried] = [Buffer.from(prefix), Buffer.from(endOfPrefix(prefix)), Buffer.from(key)];
        expect(Buffer.compare(tried, from) >= 0 && Buffer.compare(tried, to) < 0).toBe(tried.subarray(0, from.length).equals(from));
        const longer = Buffer.concat([from, tried]);
        expect(Buffer.compare(longer, from) >= 0 && Buffer.compare(longer, to) < 0).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
