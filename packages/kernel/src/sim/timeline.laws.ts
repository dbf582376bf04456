import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { SimEvent, TieSource, Timeline } from './timeline.js';

class Named extends SimEvent {
  readonly name: number;

  constructor(name: number) {
    super();
    this.name = name;
  }

  fire(): void {
    // Only its place in the order matters here.
  }
}

/** Names in the order of their happening. */
function drained(timeline: Timeline): Named[] {
  const order: Named[] = [];
  for (let event = timeline.peek(); event !== undefined; event = timeline.peek()) {
    timeline.pop();
    timeline.now = event.at;
    order.push(event as Named);
  }
  return order;
}

describe('the timeline', () => {
  test('hands out everything once, in the order of time, whatever was scheduled and cancelled', () => {
    const entry = fc.record({ at: fc.integer({ min: 0, max: 50 }), cancel: fc.boolean() });
    fc.assert(
      fc.property(fc.integer(), fc.array(entry, { maxLength: 300 }), (key, entries) => {
        const timeline = new Timeline(key | 0);
        const source = new TieSource(1);
        const events = entries.map(({ at }, name) => {
          const event = new Named(name);
          timeline.schedule(event, at, source);
          return event;
        });
        entries.forEach(({ cancel }, i) => cancel && timeline.cancel(events[i] as Named));
        const order = drained(timeline);
        expect(order.map(({ at }) => at)).toEqual(order.map(({ at }) => at).toSorted((a, b) => a - b));
        expect(order.map(({ name }) => name).toSorted((a, b) => a - b)).toEqual(entries.flatMap(({ cancel }, i) => (cancel ? [] : [i])));
        expect(timeline.pending).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  test('every order of simultaneous events comes up for some key, none much too often', () => {
    const seen = new Map<string, number>();
    for (let key = 0; key < 6_000; key++) {
      const timeline = new Timeline(Math.imul(key, 0x9e3779b1));
      const source = new TieSource(1);
      for (let name = 0; name < 3; name++) timeline.schedule(new Named(name), 5, source);
      const order = drained(timeline).map(({ name }) => name).join('');
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    expect([...seen.keys()].sort()).toEqual(['012', '021', '102', '120', '201', '210']);
    for (const times of seen.values()) expect(Math.abs(times - 1_000)).toBeLessThan(150);
  });

  test('one event more of one source never reorders simultaneous events of others', () => {
    fc.assert(
      fc.property(fc.integer(), fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 100 }), (key, sources) => {
        const order = (without: number): number[] => {
          const timeline = new Timeline(key | 0);
          const all = [0, 1, 2, 3].map((source) => new TieSource(source));
          for (const [i, source] of sources.entries()) {
            if (source !== without) timeline.schedule(new Named(i), 7, all[source] as TieSource);
          }
          return drained(timeline).map(({ name }) => name);
        };
        expect(order(3)).toEqual(order(-1).filter((name) => sources[name] !== 3));
      }),
      { numRuns: 200 },
    );
  });

  test('what is scheduled first of an instant goes before all that waits for it', () => {
    const timeline = new Timeline(1);
    const source = new TieSource(1);
    for (let name = 0; name < 20; name++) timeline.schedule(new Named(name), 0, source);
    timeline.scheduleFirst(new Named(99));
    expect(drained(timeline)[0]?.name).toBe(99);
  });

  test('cancelling what has happened already changes nothing', () => {
    const timeline = new Timeline(1);
    const [source, event] = [new TieSource(1), new Named(0)];
    timeline.schedule(event, 1, source);
    drained(timeline);
    timeline.schedule(new Named(1), 2, source);
    timeline.cancel(event);
    expect(timeline.pending).toBe(1);
  });

  test('nothing is scheduled in the past', () => {
    const timeline = new Timeline(1);
    timeline.now = 10;
    expect(() => timeline.schedule(new Named(0), 9, new TieSource(1))).toThrow(/in the past: 9 < 10/);
  });
});
