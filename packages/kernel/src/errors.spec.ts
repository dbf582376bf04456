import { describe, expect, test } from 'vitest';
import { EngramError, errorCodes, OptionsError, type ErrorCode } from './errors.js';

const codes = Object.entries(errorCodes);

describe('codes', () => {
  test('the codes are exactly those that clients were promised', () => {
    expect(codes.map(([code]) => code)).toEqual(
      (
        'invalid_argument unknown_field invalid_options invalid_config space_not_found memory_not_found node_not_found route_not_found method_not_allowed ' +
        'id_conflict id_forgotten precondition_failed idempotency_conflict embedding_dimension_mismatch payload_too_large unsupported_media_type overloaded ' +
        'capacity_exhausted disk_full log_failed log_damaged store_damaged data_directory_locked not_ready shutting_down deadline_exceeded ' +
        'unavailable not_primary copy_behind discovery_failed address_in_use assertion_failed internal'
      ).split(' '),
    );
  });

  test('exactly the passing conditions are retryable', () => {
    const retryable = codes.filter(([, entry]) => entry.retryable).map(([code]) => code);
    expect(retryable).toEqual(['overloaded', 'disk_full', 'not_ready', 'shutting_down', 'deadline_exceeded', 'unavailable', 'not_primary', 'copy_behind', 'discovery_failed']);
  });

  test.each(codes)('%s is explained and hinted in whole sentences', (code, { meaning, hint }) => {
    expect(code).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(meaning).toMatch(/^[A-Z][^.]+\.$/);
    expect(hint).toMatch(/^[A-Z].+\.$/);
  });
});

describe('EngramError', () => {
  test('it is an Error that knows its code, what to do next and whether to retry', () => {
    const error = new EngramError('disk_full', 'writing the log to /data/wal found no space left');
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'EngramError', code: 'disk_full', retryable: true, hint: errorCodes.disk_full.hint, details: {} });
  });

  test('a hint of the thrower replaces the general one', () => {
    expect(new EngramError('disk_full', 'no space', { hint: 'Delete old backups.' }).hint).toBe('Delete old backups.');
  });

  test('a cause is kept for logs, and absent when there is none', () => {
    const cause = new Error('ENOSPC');
    expect(new EngramError('disk_full', 'no space', { cause }).cause).toBe(cause);
    expect('cause' in new EngramError('disk_full', 'no space')).toBe(false);
  });

  test('what leaves the process has neither stack nor cause', () => {
    const error = new EngramError('id_conflict', 'memory m1 has other content', { cause: new Error('secret'), details: { id: 'm1' } });
    expect(JSON.parse(JSON.stringify(error))).toEqual({
      code: 'id_conflict',
      message: 'memory m1 has other content',
      hint: errorCodes.id_conflict.hint,
      retryable: false,
      details: { id: 'm1' },
    });
  });

  test('details that JSON cannot hold are shown, never thrown over', () => {
    const cycle: Record<string, unknown> = { name: 'loop' };
    cycle['self'] = cycle;
    const details = {
      hlc: 123n, ratio: NaN, bytes: new Uint8Array(9), error: new TypeError('bad'), map: new Map([['a', 1n]]), run: () => 1, none: null, long: Array.from({ length: 101 }, () => 0),
    };
    const shown = new EngramError('internal', 'odd details', { details }).toJSON().details;
    expect(shown).toEqual({
      hlc: '123', ratio: 'NaN', bytes: '[9 bytes]', error: 'TypeError: bad', map: { a: '1' }, run: '[function]', none: null, long: [...Array.from({ length: 100 }, () => 0), '…'],
    });
    expect(JSON.stringify(new EngramError('internal', 'a cycle', { details: cycle }))).toContain('"self":"…"');
  });
});

test('an options error names the option and continues the sentence', () => {
  const error = new OptionsError('suspicionPeriods', 'must leave a suspect two periods to answer');
  expect(error).toBeInstanceOf(EngramError);
  expect(error).toMatchObject({
    name: 'OptionsError',
    code: 'invalid_options' satisfies ErrorCode,
    message: 'option suspicionPeriods must leave a suspect two periods to answer',
    details: { option: 'suspicionPeriods' },
  });
});
