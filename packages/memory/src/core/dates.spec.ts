import { describe, expect, test } from 'vitest';
import { dateLimits, fitOf, namedRanges } from './dates.js';

const dayMs = 86_400_000;
const at = (iso: string): number => Date.parse(iso);
const within2023 = [at('2023-02-01'), at('2023-11-01')] as const;
const read = (text: string, [first, last] = within2023): string[] =>
  namedRanges(text, first, last).map(({ fromMs, untilMs }) => `${day(fromMs)}/${(untilMs - fromMs) / dayMs}`);
const day = (ms: number): string => new Date(ms).toISOString().slice(0, 10);

describe('dates named by a text', () => {
  test.each([
    ['Who came to dinner on May 3, 2023?', ['2023-05-03/1']],
    ['on the 3rd of May 2023', ['2023-05-03/1']],
    ['on 21 december, 2022', ['2022-12-21/1']],
    ['log of 2023-05-03', ['2023-05-03/1']],
    ['What happened in May 2023?', ['2023-05-01/31']],
    ['plans during 2024', ['2024-01-01/366']],
    ['In June, what did they plant?', ['2023-06-01/30']],
    ['on 1 March and on 2 April', ['2023-03-01/1', '2023-04-02/1']],
  ])('%s', (text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  test.each(['May I march?', 'room 2023', 'on 31 February 2023', '2023-13-01', 'yesterday', ''])('"%s" names none', (text) => {
    expect(read(text)).toEqual([]);
  });

  test('a date without a year is that date in each year of the memories, latest first', () => {
    expect(read('on 3 May', [at('2021-06-01'), at('2023-01-01')])).toEqual(['2023-05-03/1', '2022-05-03/1', '2021-05-03/1']);
  });

  test('ranges are bounded, however much time the memories span', () => {
    expect(read('on 3 May, in June, on 7 July', [at('1970-01-01'), at('9999-01-01')])).toHaveLength(dateLimits.rangesMax);
  });

  test('a long text full of spaces and months is read in no time to speak of', () => {
    expect(read(`${'may '.repeat(16_000)}2023`)).toEqual([]);
  });
});

describe('how well a time fits a named date', () => {
  const may3 = { fromMs: at('2023-05-03'), untilMs: at('2023-05-04') };
  test.each([
    ['on the day', '2023-05-03T12:00:00Z', 1],
    ['the evening before, which may be the day elsewhere', '2023-05-02T12:00:00Z', 1],
    ['two days before', '2023-05-01T00:00:00Z', 0],
    ['a gap after', '2023-05-07T00:00:00Z', 1 / 2],
    ['three gaps after', '2023-05-13T00:00:00Z', 1 / 4],
    ['long after', '2023-07-01T00:00:00Z', 0],
  ])('%s', (_title, when, fit) => {
    expect(fitOf(may3, at(when), 3 * dayMs)).toBe(fit);
  });
});
