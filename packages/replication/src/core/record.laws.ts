import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseNodeId, type Hlc } from '@engram/kernel';
import { checksum } from '../../test/log-fixtures.js';
import type { LogEntry } from './entry.js';
import { lsn } from './lsn.js';
import { frameBytes, FrameReader, FrameWriter } from './record.js';

const safe = fc.maxSafeNat();
const entries: fc.Arbitrary<LogEntry> = fc.record({
  partition: fc.integer({ min: 0, max: 0xffff_ffff }),
  epoch: safe,
  seq: safe,
  hlc: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map((hlc) => hlc as Hlc),
  origin: fc.stringMatching(/^[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}$/).map(parseNodeId),
  payload: fc.uint8Array({ maxLength: 400 }),
});

test('what is written is what is read, entry by entry, and nothing follows', () => {
  fc.assert(
    fc.property(fc.array(entries, { minLength: 1, maxLength: 6 }), fc.integer({ min: 1, max: 2 ** 52 }), fc.nat(0xffff_ffff), (group, first, seed) => {
      const writer = new FrameWriter(checksum);
      writer.begin(seed, group.reduce((sum, entry) => sum + frameBytes(entry), 0));
      group.forEach((entry, index) => writer.entry(lsn(first + index), index, entry));
      const written = writer.written();
      const reader = new FrameReader(written, seed, checksum);
      let at = 0;
      group.forEach((entry, index) => {
        const frame = reader.at(at);
        expect(frame).toEqual({ kind: 'entry', lsn: first + index, groupFirst: first, entry, bytes: frameBytes(entry) });
        at += frameBytes(entry);
      });
      expect(at).toBe(written.length);
    }),
    { numRuns: 1_000 },
  );
});

test('no bytes make the reader throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.boolean(), (bytes, at, blind) => {
      // A checksum that accepts everything lets random lengths and kinds through to the code behind it.
      const reader = new FrameReader(bytes, 0, blind ? () => 0 : checksum);
      if (blind && bytes.length >= at + 56) new DataView(bytes.buffer).setUint32(at, 0, true);
      expect(['entry', 'seal', 'invalid']).toContain(reader.at(Math.min(at, bytes.length)).kind);
      reader.search(0);
    }),
    { numRuns: 2_000 },
  );
});
