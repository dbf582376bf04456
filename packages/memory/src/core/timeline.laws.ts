import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Timeline } from './timeline.js';

/** Ordinals are their own time here, so the expected order is that of the numbers. */
const ascending = (a: number, b: number): number => a - b;
const times = fc.uniqueArray(fc.nat(100_000), { maxLength: 3_000, size: 'max' });

test('a timeline is in order, however its members came', () => {
  fc.assert(fc.property(times, (members) => {
    const timeline = new Timeline(ascending);
    for (const member of members) timeline.insert(member);
    const sorted = [...members].sort(ascending);
    expect([...timeline.forwardFrom({ chunk: 0, slot: 0 })]).toEqual(sorted);
    expect([...timeline.backwardFrom(timeline.end)]).toEqual(sorted.toReversed());
    expect([timeline.first(), timeline.last(), timeline.size]).toEqual([sorted[0], sorted.at(-1), sorted.length]);
  }), { numRuns: 30 });
});

test('removed members leave no trace', () => {
  fc.assert(fc.property(times, fc.integer({ min: 1, max: 5 }), (members, every) => {
    const timeline = new Timeline(ascending);
    for (const member of members) timeline.insert(member);
    const gone = members.filter((_, i) => i % every === 0);
    for (const member of gone) timeline.remove(member);
    const left = members.filter((_, i) => i % every !== 0).sort(ascending);
    expect([...timeline.forwardFrom({ chunk: 0, slot: 0 })]).toEqual(left);
  }), { numRuns: 20 });
});

test('from any place, what lies before and what lies after make up the whole', () => {
  fc.assert(fc.property(times, fc.nat(100_000), (members, time) => {
    const timeline = new Timeline(ascending);
    for (const member of members) timeline.insert(member);
    const place = timeline.firstWhere((member) => member >= time);
    expect([...timeline.backwardFrom(place)].every((member) => member < time)).toBe(true);
    expect([...timeline.backwardFrom(place)].toReversed().concat([...timeline.forwardFrom(place)])).toEqual([...members].sort(ascending));
  }), { numRuns: 20 });
});

test('removing what is not there is our own mistake', () => {
  const timeline = new Timeline(ascending);
  timeline.insert(1);
  expect(() => timeline.remove(2)).toThrow(/timeline/);
});
