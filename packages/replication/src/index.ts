/**
 * @engram/replication: a durable write-ahead log. Appends are grouped, synced, and only then answered; what a crash
 * leaves is recovered to the last acknowledged entry, and damage is never passed over in silence.
 *
 * @example
 * ```ts
 * const log = await openWriteAheadLog({ directory: './data/log' });
 * const { last } = await log.append([{ partition: 7, epoch: 1, seq: 1, hlc, origin, payload }]);
 * for await (const { lsn, entry } of log.read(log.status().firstLsn)) console.log(lsn, entry.payload.length);
 * await log.checkpoint(last);
 * await log.close();
 * ```
 *
 * @packageDocumentation
 */
export { openWriteAheadLog, type LogRecoveryReport, type LogStatus, type WalOptions, type WriteAheadLog } from './node/write-ahead-log.js';
export type { ReadEntry } from './node/log-reader.js';
export { salvageLog, type SalvageOptions, type SalvageReport } from './node/salvage.js';
export { lsn, type LogEntry, type LogGap, type LogOptions, type LogState, type Lsn, type SalvageLoss, type TornTail } from './core/index.js';

// For tests of whatever is built on the log.
export { nodeFileSystem, type LogFile, type LogFileSystem } from './node/file-system.js';
