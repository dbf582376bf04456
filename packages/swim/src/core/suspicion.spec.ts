import { describe, expect, test } from 'vitest';
import { instant, plusMs } from '@engram/kernel';
import { id } from '../../test/swim-fixtures.js';
import { Suspicion, suspicionTerms, suspicionTimeoutMs } from './suspicion.js';

const t0 = instant(0);

describe('the terms of a suspicion', () => {
  test('grow with the logarithm of the cluster, from ten members on', () => {
    const minimum = (members: number): number => suspicionTerms(members, 1_000, 4, 6).minMs;
    expect([1, 8, 10, 100, 1_000].map(minimum)).toEqual([4_000, 4_000, 4_000, 8_000, 12_000]);
  });

  test('ask for no confirmation where nobody could give it', () => {
    const wanted = (members: number): number => suspicionTerms(members, 1_000, 4, 6).confirmationsWanted;
    expect([2, 3, 4, 100].map(wanted)).toEqual([0, 0, 2, 2]);
  });
});

describe('the time a suspect has', () => {
  const terms = { minMs: 4_000, maxMs: 24_000, confirmationsWanted: 2 };

  test('begins at its longest and shrinks to its shortest with the confirmations wanted', () => {
    expect(suspicionTimeoutMs(terms, 0)).toBe(24_000);
    expect(suspicionTimeoutMs(terms, 1)).toBeCloseTo(24_000 - 20_000 * (Math.log(2) / Math.log(3)));
    expect(suspicionTimeoutMs(terms, 2)).toBe(4_000);
  });

  test('never falls below the shortest', () => {
    expect(suspicionTimeoutMs(terms, 50)).toBe(4_000);
  });

  test('shrinks only for accusers not counted yet', () => {
    const suspicion = new Suspicion(terms, id('a'), t0);
    expect([suspicion.confirm(id('a')), suspicion.confirm(id('b')), suspicion.confirm(id('b'))]).toEqual([false, true, false]);
    expect(suspicion.confirmations).toBe(1);
  });

  test('counts no more accusers than it wants, however many there are', () => {
    const suspicion = new Suspicion(terms, id('a'), t0);
    const counted = Array.from({ length: 100 }, (_, i) => suspicion.confirm(id(`n${i}`))).filter(Boolean);
    expect(counted).toHaveLength(2);
    expect(suspicion.deadline).toBe(plusMs(t0, 4_000));
  });

  test('leaves out a time in which nobody listened', () => {
    const suspicion = new Suspicion({ ...terms, confirmationsWanted: 0 }, id('a'), t0);
    suspicion.postpone(1_500);
    expect(suspicion.deadline).toBe(plusMs(t0, 5_500));
  });
});
