import type { LogStatus } from '@engram/replication';
import { expect, test } from 'vitest';
import { healthOf } from './health.js';

function log(state: LogStatus['state'], reason?: string): LogStatus {
  return { state, ...(reason === undefined ? {} : { reason }) } as LogStatus;
}

test('a node whose log accepts and whose store commits is healthy', () => {
  expect(healthOf(log('accepting'), { state: 'ok' }, undefined)).toEqual({ status: 'healthy', reasons: [] });
});

test('a full disk degrades, and says that writes resume', () => {
  const { status, reasons } = healthOf(log('full', 'the disk is full: ENOSPC'), { state: 'stalled', reason: 'ENOSPC' }, undefined);
  expect(status).toBe('degraded');
  expect(reasons.join()).toMatch(/disk is full: ENOSPC.*resume.*store cannot commit/);
});

test.each([
  ['a failed log', log('failed', 'EIO'), { state: 'ok' } as const, undefined],
  ['a failed store', log('accepting'), { state: 'failed', reason: 'EIO' } as const, undefined],
  ['an entry that could not be applied', log('accepting'), { state: 'ok' } as const, 'an acknowledged entry could not be applied'],
])('%s is a failure, and the reason says to restart', (_what, logStatus, storeStatus, failure) => {
  expect(healthOf(logStatus, storeStatus, failure).status).toBe('failed');
});
