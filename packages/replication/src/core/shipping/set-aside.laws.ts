import fc from 'fast-check';
import { expect, test } from 'vitest';
import { lsn } from '../lsn.js';
import { SetAsideTails, TakenUpEntries } from './set-aside.js';

const key = (epoch: number, seq: number): string => `${epoch}/${seq}`;

test('tails hold exactly what was put in and not yet taken out, in whatever order it goes', () => {
  const tail = fc.record({ from: fc.integer({ min: 1, max: 50 }), length: fc.integer({ min: 1, max: 20 }), moved: fc.boolean() });
  fc.assert(fc.property(fc.array(tail, { maxLength: 4 }), fc.array(fc.nat(), { maxLength: 60 }), (given, picks) => {
    const tails = new SetAsideTails();
    const left = new Map<string, { readonly epoch: number; readonly seq: number }>();
    for (const [index, { from, length, moved }] of given.entries()) {
      const epoch = index + 1;
      const original = moved ? { epoch: epoch + 10, seq: from + 100 } : { epoch, seq: from };
      tails.add([{ epoch, from, to: from + length - 1, original, lsn: lsn(1) }]);
      for (let i = 0; i < length; i++) left.set(key(original.epoch, original.seq + i), { epoch: original.epoch, seq: original.seq + i });
    }
    for (const pick of picks) {
      const one = [...left.values()][pick % Math.max(left.size, 1)];
      if (one === undefined) break;
      expect(tails.remove(one)).toBe(true);
      expect(tails.remove(one)).toBe(false);
      left.delete(key(one.epoch, one.seq));
    }
    expect(tails.entries).toBe(left.size);
    for (const one of left.values()) expect(tails.has(one)).toBe(true);
    for (const { epoch, from, to, original } of tails.ranges) {
      for (let seq = from; seq <= to; seq++) expect(tails.originalOf({ epoch, seq })).toEqual({ epoch: original.epoch, seq: original.seq + seq - from });
    }
  }), { numRuns: 500 });
});

test('entries that were taken up are known by what they were and by where they stand, up to where the log is cut', () => {
  const entry = fc.record({ epoch: fc.integer({ min: 1, max: 3 }), seq: fc.integer({ min: 1, max: 30 }), skip: fc.integer({ min: 0, max: 2 }) });
  fc.assert(fc.property(fc.uniqueArray(entry, { selector: ({ epoch, seq }) => key(epoch, seq), maxLength: 40 }), fc.nat({ max: 100 }), (entries, cut) => {
    const takenUp = new TakenUpEntries();
    let at = 0;
    const placed = entries.map(({ epoch, seq, skip }) => {
      at += 1 + skip;
      takenUp.add({ epoch, seq }, at);
      return { epoch, seq, at };
    });
    takenUp.cut(cut);
    for (const one of placed) {
      expect(takenUp.has(one)).toBe(one.at <= cut);
      expect(takenUp.originalAt(one.at)).toEqual(one.at <= cut ? { epoch: one.epoch, seq: one.seq } : undefined);
    }
  }), { numRuns: 500 });
});
