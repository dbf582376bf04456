import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startLyingServer } from '../../test/dns-servers.js';
import { readEndpoint } from '../core/index.js';
import { dnsSource } from './dns-source.js';

/** An answer with two A records for `a.test`, after the identifier of two bytes. */
const answer = Buffer.from('8580000100020000000001610474657374000001' + '0001' + 'c00c000100010000003c00040a000001' + 'c00c000100010000003c00040a000002', 'hex');

test('the answer that is damaged below is one that is understood when it is whole', async () => {
  const server = await startLyingServer((question) => (question[question.indexOf(0, 12) + 2] === 1 ? Buffer.concat([question.subarray(0, 2), answer]) : undefined));
  const { endpoints } = await dnsSource({ name: 'a.test', port: 1, resolver: server.address, timeoutMs: 500 }).lookUp({ signal: new AbortController().signal });
  expect([...endpoints].sort()).toEqual(['10.0.0.1:1', '10.0.0.2:1']);
  await server.stop();
});

test('whatever a server sends, the answer is addresses or a failure in words', async () => {
  const damage = fc.array(fc.tuple(fc.nat({ max: answer.length - 1 }), fc.nat({ max: 255 })), { maxLength: 6 });
  const lie = fc.oneof(fc.tuple(damage, fc.nat({ max: answer.length })).map(([changes, length]) => Buffer.from(answer.map((byte, at) => changes.find(([place]) => place === at)?.[1] ?? byte)).subarray(0, length)), fc.uint8Array({ maxLength: 200 }));
  await fc.assert(
    fc.asyncProperty(fc.array(lie, { minLength: 20, maxLength: 20 }), async (lies) => {
      // One after another would wait for the limit each time, so a batch of liars is asked at once.
      await Promise.all(
        lies.map(async (bytes) => {
          const server = await startLyingServer((question) => Buffer.concat([question.subarray(0, 2), bytes]));
          try {
            const { endpoints, ttlMs = 0 } = await dnsSource({ name: 'a.test', port: 1, resolver: server.address, timeoutMs: 100 }).lookUp({ signal: new AbortController().signal });
            for (const endpoint of endpoints) expect(readEndpoint(endpoint)).toBeDefined();
            expect(ttlMs).toBeGreaterThanOrEqual(0);
          } catch (error) {
            expect(error).toMatchObject({ code: 'discovery_failed' });
          } finally {
            await server.stop();
          }
        }),
      );
    }),
    { numRuns: 15, endOnFailure: true },
  );
}, 30_000);
