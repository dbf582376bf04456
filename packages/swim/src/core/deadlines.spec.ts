import { expect, test } from 'vitest';
import { instant } from '@engram/kernel';
import { Deadlines } from './deadlines.js';

test('what is due is handed out once, and the next one is named', () => {
  const deadlines = new Deadlines<string>();
  deadlines.set('late', instant(30));
  deadlines.set('early', instant(10));
  expect(deadlines.next).toBe(10);
  expect(deadlines.due(instant(10))).toEqual(['early']);
  expect(deadlines.next).toBe(30);
  expect(deadlines.due(instant(29))).toEqual([]);
});

test('an entry that moved or went costs one look and nothing more', () => {
  const deadlines = new Deadlines<string>();
  deadlines.set('moved', instant(10));
  deadlines.set('gone', instant(11));
  deadlines.set('moved', instant(50));
  deadlines.delete('gone');
  expect(deadlines.due(instant(20))).toEqual([]);
  expect(deadlines.next).toBe(50);
});

test('without entries nothing is next', () => {
  const deadlines = new Deadlines<string>();
  deadlines.set('a', instant(10));
  deadlines.delete('a');
  expect(deadlines.next).toBeUndefined();
});

test('postponing moves everything', () => {
  const deadlines = new Deadlines<string>();
  deadlines.set('a', instant(10));
  deadlines.postpone(1);
  expect(deadlines.next).toBe(1_010);
  expect(deadlines.due(instant(1_009))).toEqual([]);
  expect(deadlines.due(instant(1_010))).toEqual(['a']);
});
