import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEndpoint } from '../core/endpoint.js';
import { CollectedEndpoints } from './collected-endpoints.js';

test('whatever is added, each endpoint stands once, none is unreadable, and nothing vanishes uncounted', () => {
  const host = fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain(), fc.string(), fc.constantFrom(undefined, null, 7, '0.0.0.0', '::', 'fe80::1%eth0', '1.2.3'));
  const port = fc.oneof(fc.integer({ min: -1, max: 65_536 }), fc.constantFrom('7946', null, 0.5, Number.NaN));
  fc.assert(
    fc.property(fc.array(fc.tuple(host, port)), (entries) => {
      const found = new CollectedEndpoints();
      for (const [h, p] of entries) found.add(h, p);
      const { endpoints, notes = [] } = found.answer();
      expect(new Set(endpoints).size).toBe(endpoints.length);
      expect(endpoints.every((endpoint) => readEndpoint(endpoint) !== undefined)).toBe(true);
      const counted = notes.reduce((sum, note) => sum + Number(/^\d+/.exec(note)?.[0]), 0);
      expect(endpoints.length + counted).toBeLessThanOrEqual(entries.length);
      if (counted === 0 && entries.length > 0) expect(endpoints.length).toBeGreaterThan(0);
    }),
    { numRuns: 500 },
  );
});

test('reasons without end become few notes', () => {
  const found = new CollectedEndpoints();
  for (let i = 0; i < 1_000; i++) found.leaveOut(`for reason ${i}`);
  expect(found.answer().notes).toHaveLength(9);
  expect(found.answer().notes?.at(-1)).toBe('992 entries left out, for other reasons');
});
