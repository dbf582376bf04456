import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatWhen, parseWhen } from './when.js';

test.each([
  ['2025-11-01T09:30:00Z', '2025-11-01T09:30:00.000Z'],
  ['2025-11-01t09:30:00z', '2025-11-01T09:30:00.000Z'],
  ['2025-11-01 09:30:00.5Z', '2025-11-01T09:30:00.500Z'],
  ['2025-11-01T10:30:00.123456789+01:00', '2025-11-01T09:30:00.123Z'],
  ['2025-11-01T00:15:00-09:45', '2025-11-01T10:00:00.000Z'],
  ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
  ['0050-01-01T00:00:00Z', '0050-01-01T00:00:00.000Z'],
])('%s is %s', (text, expected) => {
  expect(formatWhen(parseWhen('when', text))).toBe(expected);
});

test.each([
  'yesterday', '', '2025-11-01', '2025-11-01T09:30Z', '2025-11-01T09:30:00', '2025-11-01T09:30:00.Z', '2025-13-01T00:00:00Z', '2025-00-01T00:00:00Z',
  '2025-02-29T00:00:00Z', '2025-04-31T00:00:00Z', '2025-11-01T24:00:00Z', '2025-11-01T00:60:00Z', '2025-11-01T00:00:61Z', '2025-11-01T00:00:00+24:00',
  '2025-11-01T00:00:00+0100', '+02025-11-01T00:00:00Z', '0000-01-01T00:00:00Z', '9999-12-31T23:59:59-01:00', '２０２５-11-01T00:00:00Z', '1762000000',
])('%j is no time', (text) => {
  expect(() => parseWhen('after', text)).toThrow(/^after must be a time as RFC 3339 writes it; got /);
});

test('what is written can be read back, to the millisecond', () => {
  const dates = fc.date({ min: new Date('0001-01-01T00:00:00.000Z'), max: new Date('9999-12-31T23:59:59.999Z'), noInvalidDate: true });
  fc.assert(
    fc.property(dates, (date) => {
      expect(parseWhen('when', formatWhen(date.getTime()))).toBe(date.getTime());
    }),
    { numRuns: 500 },
  );
});
