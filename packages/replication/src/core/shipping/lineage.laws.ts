import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Lineage } from './lineage.js';

/** The epochs of two logs that were one up to some place and then went on by writers of their own. */
const twoLogs = fc
  .record({ shared: fc.array(fc.nat(3), { maxLength: 12 }), mine: fc.array(fc.nat(3), { maxLength: 8 }), theirs: fc.array(fc.nat(3), { maxLength: 8 }) })
  .map(({ shared, mine, theirs }) => {
    let epoch = 1;
    const rising = (steps: readonly number[], from: number, parity: number): number[] => {
      let at = from;
      // Epochs of the two branches never meet: an epoch has one writer.
      return steps.map((step) => (at = step === 0 && at > from ? at : at + 2 * step + (((at % 2) + parity) % 2 === 0 ? 2 : 1)));
    };
    const common = shared.map((step) => (epoch += step > 1 ? step : 0));
    return { common, a: [...common, ...rising(mine, epoch, 0)], b: [...common, ...rising(theirs, epoch, 1)] };
  });

function lineageOf(epochs: readonly number[]): Lineage {
  const lineage = new Lineage();
  for (const epoch of epochs) lineage.extend(epoch);
  return lineage;
}

test('a lineage knows the epoch of every entry, and of none beyond its end', () => {
  fc.assert(fc.property(twoLogs, ({ a }) => {
    const lineage = lineageOf(a);
    expect(a.map((_, index) => lineage.epochAt(index + 1))).toEqual(a);
    expect([lineage.epochAt(0), lineage.epochAt(a.length + 1)]).toEqual([0, 0]);
  }), { numRuns: 500 });
});

test('what two logs have in common is found from their lineages alone, either way round', () => {
  fc.assert(fc.property(twoLogs, ({ common, a, b }) => {
    expect(lineageOf(a).commonWith(lineageOf(b))).toBe(common.length);
    expect(lineageOf(b).commonWith(lineageOf(a))).toBe(common.length);
  }), { numRuns: 2_000 });
});

test('cutting a lineage is the same as never having written the rest', () => {
  fc.assert(fc.property(twoLogs, fc.nat(), ({ a }, to) => {
    const seq = to % (a.length + 1);
    const cut = lineageOf(a);
    cut.cut(seq);
    expect([cut.steps, cut.end]).toEqual([lineageOf(a.slice(0, seq)).steps, lineageOf(a.slice(0, seq)).end]);
  }), { numRuns: 500 });
});
