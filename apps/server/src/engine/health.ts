import type { StoreStatus } from '@engram/memory';
import type { LogStatus } from '@engram/replication';
import type { EngineHealth } from './engine-types.js';

/** `failed` acknowledges no writes until a restart; `degraded` refuses them until the disk has room again. Both serve reads. */
export function healthOf(log: LogStatus, store: StoreStatus, failure: string | undefined): EngineHealth {
  const failed = [
    ...(failure === undefined ? [] : [failure]),
    ...(log.state === 'failed' ? [`the write-ahead log failed: ${log.reason ?? 'unknown reason'}; restart the node once the disk is sound`] : []),
    ...(store.state === 'failed' ? [`the store failed: ${store.reason}; acknowledged writes are safe in the log, restart the node once the disk is sound`] : []),
  ];
  if (failed.length > 0) return { status: 'failed', reasons: failed };
  const degraded = [
    ...(log.state === 'full' ? [`${log.reason ?? 'the disk is full'}; writes resume when space returns`] : []),
    ...(store.state === 'stalled' ? [`the store cannot commit: ${store.reason}; acknowledged writes are safe in the log`] : []),
  ];
  return { status: degraded.length > 0 ? 'degraded' : 'healthy', reasons: degraded };
}
