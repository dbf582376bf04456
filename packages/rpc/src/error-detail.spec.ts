import { EngramError, errorCodes, type ErrorCode } from '@engram/kernel';
import { Metadata, status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { errorDetailKey, errorToDetail, errorToStatus, statusToError } from './error-detail.js';
import { errorStatus } from './error-status.js';
import { ErrorDetail } from './gen/engram/v1/error.js';

test.each(Object.keys(errorCodes) as ErrorCode[])('%s keeps code, message, hint and retryability on its way', (code) => {
  const sent = new EngramError(code, 'What happened.', { hint: 'What to do.' });

  const received = statusToError(errorToStatus(sent));

  expect(received).toMatchObject({ code, message: 'What happened.', hint: 'What to do.', retryable: sent.retryable });
  expect(errorToStatus(sent).code).toBe(errorStatus[code].grpc);
});

test('the facts a client acts on travel, others stay', () => {
  const details = { retryAfterMs: 250, node: 'ca-3', space: 'work', epoch: 7n, indeterminate: true, offset: 12 };

  const received = statusToError(errorToStatus(new EngramError('overloaded', 'Full.', { details }), { requestId: 'r-1' }));

  expect(received.details).toEqual({ retryAfterMs: 250, node: 'ca-3', space: 'work', epoch: 7n, indeterminate: true, requestId: 'r-1' });
});

test('an error nobody foresaw becomes internal and keeps its text to itself', () => {
  const detail = errorToDetail(new TypeError('cannot read /secret/path'), { requestId: 'r-2' });

  expect(detail).toMatchObject({ code: 'internal', requestId: 'r-2' });
  expect(JSON.stringify(detail, (_key, value: unknown) => (typeof value === 'bigint' ? String(value) : value))).not.toContain('secret');
});

test('a long message is cut, and no half of a surrogate pair reaches the status line', () => {
  const { details, metadata } = errorToStatus(new EngramError('invalid_argument', `\ud800${'😀'.repeat(5_000)}`));

  expect(details.length).toBeLessThanOrEqual(2_048);
  expect(() => encodeURI(details)).not.toThrow();
  expect((metadata.get(errorDetailKey)[0] as Buffer).byteLength).toBeLessThan(8_192);
});

test('a code this version does not know falls back to what the status says', () => {
  const metadata = new Metadata();
  const detail = { ...errorToDetail(new EngramError('internal', 'Later.')), code: 'not_owner' };
  metadata.set(errorDetailKey, Buffer.from(ErrorDetail.encode(detail).finish()));

  const error = statusToError({ code: status.UNAVAILABLE, details: 'Later.', metadata });

  expect(error).toMatchObject({ code: 'unavailable', message: 'Later.', details: { serverCode: 'not_owner' } });
});

test('a detail that cannot be read does not hide the status', () => {
  const metadata = new Metadata();
  metadata.set(errorDetailKey, Buffer.from([0xff, 0xff]));

  expect(statusToError({ code: status.NOT_FOUND, details: 'gone', metadata })).toMatchObject({ code: 'memory_not_found', message: 'NOT_FOUND: gone' });
});

test('what is no status at all becomes internal', () => {
  expect(statusToError(new Error('socket'))).toMatchObject({ code: 'internal', message: 'The call failed: Error: socket' });
});
