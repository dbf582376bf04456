import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeFrame, encodeFrame, type MulticastFrame } from './multicast-frame.js';

const count = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const name = fc.stringMatching(/^[a-z][a-z0-9-]{0,30}[a-z0-9]$/);
const frame: fc.Arbitrary<MulticastFrame> = fc.oneof(
  fc.record({ kind: fc.constant('query' as const), cluster: name, from: fc.string({ maxLength: 20 }) }),
  fc.record({ kind: fc.constant('leave' as const), cluster: name, nodeId: name, startedAtMs: count, sequence: count }),
  fc.record(
    { kind: fc.constant('announce' as const), cluster: name, nodeId: name, startedAtMs: count, sequence: count, everyMs: count, endpoint: fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([host, port]) => `${host}:${port}`), clusterId: name },
    { requiredKeys: ['kind', 'cluster', 'nodeId', 'startedAtMs', 'sequence', 'everyMs', 'endpoint'] },
  ),
);

test('what is written is read back', () => {
  fc.assert(fc.property(frame, (written) => void expect(decodeFrame(encodeFrame(written))).toEqual(written)), { numRuns: 500 });
});

test('bytes that somebody changed are read or refused, and never throw', () => {
  const damage = fc.array(fc.tuple(fc.nat({ max: 511 }), fc.nat({ max: 255 })), { maxLength: 4 });
  fc.assert(
    fc.property(frame, damage, fc.nat({ max: 512 }), (written, changes, length) => {
      const bytes = encodeFrame(written).subarray(0, length);
      for (const [at, byte] of changes) if (at < bytes.length) bytes[at] = byte;
      const read = decodeFrame(bytes);
      if (typeof read === 'object') expect(decodeFrame(encodeFrame(read))).toEqual(read);
    }),
    { numRuns: 3_000 },
  );
});

test('noise, and JSON of any shape, never throws', () => {
  const anything = fc.oneof(fc.uint8Array({ maxLength: 600 }), fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text)), fc.dictionary(fc.constantFrom('engram', 'kind', 'cluster', 'nodeId', 'sequence'), fc.constantFrom(1, 'announce', 'a', null, -1, 1e300)).map((value) => Buffer.from(JSON.stringify(value))));
  fc.assert(fc.property(anything, (bytes) => void expect(['malformed', 'other-version', 'object']).toContain(typeof decodeFrame(bytes) === 'object' ? 'object' : decodeFrame(bytes))), { numRuns: 3_000 });
});

test('a frame of a later version is told from noise', () => {
  expect(decodeFrame(Buffer.from('{"engram":2,"anything":[]}'))).toBe('other-version');
  expect(decodeFrame(Buffer.from('{"engram":1,"kind":"query","cluster":"no space allowed here","from":""}'))).toBe('malformed');
  expect(decodeFrame(Buffer.alloc(513, '{'))).toBe('malformed');
});
