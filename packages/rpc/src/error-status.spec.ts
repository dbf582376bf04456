import { errorCodes, type ErrorCode } from '@engram/kernel';
import { status } from '@grpc/grpc-js';
import { expect, test } from 'vitest';
import { codeOfStatus, errorStatus } from './error-status.js';

const codes = Object.keys(errorCodes) as ErrorCode[];

/** Statuses that tell a client the fault is its own request, and those that tell it the fault is the server's. */
const callersFault = new Set([status.INVALID_ARGUMENT, status.NOT_FOUND, status.UNIMPLEMENTED, status.ALREADY_EXISTS, status.FAILED_PRECONDITION]);
const serversFault = new Set([status.DEADLINE_EXCEEDED, status.UNAVAILABLE, status.DATA_LOSS, status.INTERNAL]);

test('every error code has a status, and nothing else has', () => {
  expect(Object.keys(errorStatus).sort()).toEqual([...codes].sort());
});

test.each(codes)('%s is the same kind of fault over HTTP and over gRPC', (code) => {
  const { http, grpc } = errorStatus[code];
  // Too much of something is RESOURCE_EXHAUSTED whoever is to blame: 413 and 429 of the caller, 507 of the disk.
  if (grpc === status.RESOURCE_EXHAUSTED) expect([413, 429, 507]).toContain(http);
  else if (http < 500) expect(callersFault).toContain(grpc);
  else expect(serversFault).toContain(grpc);
});

test.each(codes)('%s over gRPC is never UNKNOWN, which says nothing', (code) => {
  expect([status.OK, status.UNKNOWN, status.CANCELLED]).not.toContain(errorStatus[code].grpc);
});

test('what may be retried is answered with a status that clients retry', () => {
  const retryable = codes.filter((code) => errorCodes[code].retryable);

  for (const code of retryable) expect([421, 429, 503, 504, 507]).toContain(errorStatus[code].http);
});

test('a status without a detail leads back to a code of the same status', () => {
  for (const { grpc } of Object.values(errorStatus)) {
    const code = codeOfStatus(grpc, '');
    expect([grpc, status.INVALID_ARGUMENT]).toContain(errorStatus[code].grpc);
  }
});

test('a message over the limit of grpc-js is told from an overload by its text', () => {
  expect(codeOfStatus(status.RESOURCE_EXHAUSTED, 'Received message larger than max (5000000 vs 4194304)')).toBe('payload_too_large');
  expect(codeOfStatus(status.RESOURCE_EXHAUSTED, 'queue full')).toBe('overloaded');
});
