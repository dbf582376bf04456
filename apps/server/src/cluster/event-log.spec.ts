import { describe, expect, test } from 'vitest';
import { EventLog } from './event-log.js';

function logOf(count: number, capacity = 4): EventLog<number> {
  const log = new EventLog<number>('r7', { capacity, readersMax: 2 });
  for (let n = 1; n <= count; n += 1) log.append(n);
  return log;
}

const missed = (log: EventLog<number>, lastId: string | undefined): number[] | undefined => {
  const reading = log.read(lastId, () => undefined);
  reading.stop();
  return reading.missed?.map(({ event }) => event);
};

describe('a reader', () => {
  test('gets each event from then on, under ascending ids', () => {
    const log = logOf(2);
    const seen: unknown[] = [];
    const { latestId } = log.read(undefined, ({ id, event }) => seen.push([id, event]));
    log.append(3);
    log.append(4);
    expect(latestId).toBe('r7-2');
    expect(seen).toEqual([['r7-3', 3], ['r7-4', 4]]);
  });

  test('that comes back gets exactly what it missed', () => {
    expect(missed(logOf(9), 'r7-6')).toEqual([7, 8, 9]);
    expect(missed(logOf(9), 'r7-5')).toEqual([6, 7, 8, 9]);
    expect(missed(logOf(9), 'r7-9')).toEqual([]);
    expect(missed(logOf(0), 'r7-0')).toEqual([]);
    expect(missed(logOf(3), 'r7-0')).toEqual([1, 2, 3]);
  });

  test.each([undefined, '', 'r7-4', 'r7-10', 'r6-8', 'r7', 'r7-', 'r7--1', 'r7-1e1', 'r7-99999999999999999999', '-8', '8'])('that comes with %j has to start over', (lastId) => {
    expect(missed(logOf(9), lastId)).toBeUndefined();
  });

  test('that stops gets nothing more and makes room for another', () => {
    const log = logOf(0);
    const seen: number[] = [];
    const first = log.read(undefined, ({ event }) => seen.push(event));
    log.read(undefined, () => undefined);
    expect(() => log.read(undefined, () => undefined)).toThrow(expect.objectContaining({ code: 'overloaded' }) as Error);
    first.stop();
    log.append(1);
    expect([seen, log.readers]).toEqual([[], 1]);
    log.read(undefined, () => undefined);
  });

  test('may stop while it is being told', () => {
    const log = logOf(0);
    const seen: number[] = [];
    const first = log.read(undefined, ({ event }) => {
      seen.push(event);
      first.stop();
    });
    log.append(1);
    log.append(2);
    expect(seen).toEqual([1]);
  });
});

test('a bound of nothing is refused', () => {
  expect(() => new EventLog('r', { capacity: 0 })).toThrow('capacity');
  expect(() => new EventLog('r', { readersMax: 0 })).toThrow('readersMax');
});
