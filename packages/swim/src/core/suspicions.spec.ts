import { instant, plusMs } from '@engram/kernel';
import { expect, test } from 'vitest';
import { id } from '../../test/swim-fixtures.js';
import { Suspicions } from './suspicions.js';

const terms = { minMs: 1_000, maxMs: 6_000, confirmationsWanted: 1 };
const at = (ms: number) => plusMs(instant(0), ms);
const suspecting = (): Suspicions => {
  const suspicions = new Suspicions();
  suspicions.begin(id('b'), terms, id('x'), at(0));
  return suspicions;
};

test('a suspicion lasts its longest unless somebody else confirms it', () => {
  expect(suspecting().due(at(5_999))).toEqual([]);
  expect(suspecting().due(at(6_000))).toEqual(['b']);
  const confirmed = suspecting();
  expect([confirmed.confirm(id('b'), id('x')), confirmed.confirm(id('b'), id('y')), confirmed.confirm(id('c'), id('y'))]).toEqual([false, true, false]);
  expect(confirmed.due(at(1_000))).toEqual(['b']);
});

test('one that has ended is nobody’s any more', () => {
  const suspicions = suspecting();
  suspicions.end(id('b'));
  expect([suspicions.ids, suspicions.due(at(60_000)), suspicions.nextDeadline]).toEqual([[], [], undefined]);
});

test('time in which nobody could answer us does not count', () => {
  const suspicions = suspecting();
  suspicions.postpone(500);
  expect(suspicions.due(at(6_499))).toEqual([]);
  expect(suspicions.due(at(6_500))).toEqual(['b']);
});

test('at rest nobody is judged, and all are still known', () => {
  const suspicions = suspecting();
  suspicions.rest();
  expect([suspicions.due(at(60_000)), suspicions.ids]).toEqual([[], ['b']]);
});
