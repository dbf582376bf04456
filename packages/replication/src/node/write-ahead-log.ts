import { join } from 'node:path';
import { assert, Driver, EngramError, OptionsError, unreachable, type Clock, type Hlc } from '@engram/kernel';
import { systemClock, systemRandom } from '@engram/kernel/node';
import {
  CLEAN_MARK_FILE, encodeCleanMark, lsn, resolveLogOptions, segmentFileName, WriteAheadLogCore,
  type AppendCall, type CleanMark, type LogEffect, type LogEntry, type LogEvent, type LogGap, type LogOptions, type LogState, type Lsn, type Refusal, type TornTail,
} from '../core/index.js';
import { createWhole, ignoreMissing, isNoSpace, nodeFileSystem, type LogFile, type LogFileSystem } from './file-system.js';
import { attempt, checksum } from './log-directory.js';
import { readLog, type ReadEntry } from './log-reader.js';
import { prepareDirectory, type OpenedLog } from './open-log.js';
import { SegmentFile } from './segment-file.js';

export interface WalOptions extends LogOptions {
  /** Holds the segments and nothing else. Created when missing. One process at a time: locking it is the caller's job. */
  readonly directory: string;
  /**
   * A position that something outside the log proves to have been durable: the store's applied position. A log that
   * ends before it has lost its end, and is refused as damaged instead of being taken for one that a crash cut short.
   * @default 0
   */
  readonly knownDurableLsn?: number;
  /**
   * How much space is laid out ahead of the end of the log, in bytes; 0 for none. More means fewer syncs that have to
   * write the file's length and block map too; up to this much stays unused while the log is open. @default 1_048_576
   */
  readonly layOutBytes?: number;
  /** Called with the seconds each sync of a group took. Must not throw. */
  readonly onFsync?: (seconds: number) => void;
  /** Must not throw. */
  readonly onStateChange?: (state: LogState, reason: string) => void;
  /** @default the machine's */
  readonly fileSystem?: LogFileSystem;
  /** @default the machine's */
  readonly clock?: Clock;
}

/** What was found when the log was opened. */
export interface LogRecoveryReport {
  readonly firstLsn: Lsn;
  readonly nextLsn: Lsn;
  readonly segments: number;
  readonly entries: number;
  /** No stamp in the log, or before its oldest entry, is greater. */
  readonly hlcHighWater: Hlc;
  /** What a crash left unfinished at the end, and was cut off. Nothing in it was acknowledged. */
  readonly tornTail?: TornTail;
  /** Entries that an earlier salvage could not keep. */
  readonly gaps: readonly LogGap[];
  /** Files that are not the log's; they were left alone. */
  readonly strays: readonly string[];
}

/** The log as it is now. Positions up to `durableLsn` survive a crash; sizes are bytes. */
export interface LogStatus {
  readonly state: LogState;
  /** Why the log is not accepting. */
  readonly reason?: string;
  readonly firstLsn: Lsn;
  readonly nextLsn: Lsn;
  readonly durableLsn: Lsn;
  readonly segments: number;
  readonly bytes: number;
  readonly queuedBytes: number;
}

/** An open log: entries are appended at its end, read in order, and given up once a checkpoint has passed them. */
export interface WriteAheadLog {
  readonly recovery: LogRecoveryReport;
  /**
   * Resolves once all entries are durable; they are contiguous. Rejects with an EngramError: `disk_full`, `overloaded`,
   * `payload_too_large`, `invalid_argument` and `shutting_down` left nothing behind; `log_failed` says in
   * `details.indeterminate` whether the entries may still be found after a restart. Payloads must not change until then.
   */
  append(entries: readonly LogEntry[]): Promise<{ readonly first: Lsn; readonly last: Lsn }>;
  /** Durable entries in order, up to the end as it is when it is reached. Throws `invalid_argument` for entries that retention removed. */
  read(from: Lsn): AsyncIterable<ReadEntry>;
  /**
   * Says that everything up to `applied` is durable elsewhere, so that the log need not keep it. Resolves when the
   * segments that may go are gone. Throws `invalid_argument` for a position that is not durable here.
   */
  checkpoint(applied: Lsn): Promise<void>;
  /** A snapshot. */
  status(): LogStatus;
  /** Finishes the appends that were accepted, refuses later ones, and marks the end as orderly. */
  close(): Promise<void>;
}

/**
 * Opens the log in `directory`, or creates it. A torn tail is cut off and reported; damage is refused as `log_damaged`
 * with file, offset and positions, and nothing is changed then.
 */
export async function openWriteAheadLog(options: WalOptions): Promise<WriteAheadLog> {
  resolveLogOptions(options);
  const { layOutBytes = LAY_OUT_BYTES } = options;
  if (!Number.isSafeInteger(layOutBytes) || layOutBytes < 0) throw new OptionsError('layOutBytes', `must be a whole number from 0 on, not ${layOutBytes}`);
  const fileSystem = options.fileSystem ?? nodeFileSystem;
  const known = options.knownDurableLsn === undefined ? undefined : lsn(options.knownDurableLsn);
  const opened = await prepareDirectory(fileSystem, options.directory, systemRandom(), known);
  const newest = segmentFileName(opened.start.segments.at(-1)?.firstLsn ?? opened.start.nextLsn);
  return new FileLog(options, fileSystem, opened, await attempt(`opening ${newest}`, fileSystem.openForWriting(join(options.directory, newest))));
}

const LAY_OUT_BYTES = 1024 * 1024;

interface Waiting<Value> {
  readonly resolve: (value: Value) => void;
  readonly reject: (error: Error) => void;
}

/** Performs the core's effects on files and brings the answers back as events. */
class FileLog implements WriteAheadLog {
  readonly recovery: LogRecoveryReport;
  readonly #options: WalOptions;
  readonly #fileSystem: LogFileSystem;
  readonly #core: WriteAheadLogCore;
  readonly #driver: Driver<LogEvent, LogEffect>;
  /** Open for writing: the newest segment and, while it is being finished, the one before. */
  readonly #files = new Map<Lsn, SegmentFile>();
  readonly #appends = new Map<number, Waiting<{ first: Lsn; last: Lsn }>>();
  #gathered: AppendCall[] = [];
  #nextId = 1;
  #checkpoints: Waiting<void>[] = [];
  #deletion: Promise<void> = Promise.resolve();
  #closing: Promise<void> | undefined;
  #closed: Waiting<void> | undefined;
  #defect: Error | undefined;

  constructor(options: WalOptions, fileSystem: LogFileSystem, { start, recovered, strays }: OpenedLog, newest: LogFile) {
    this.#options = options;
    this.#fileSystem = fileSystem;
    const { firstLsn, nextLsn, entries, hlcHighWater, tornTail, gaps } = recovered;
    this.recovery = { firstLsn, nextLsn, segments: start.segments.length, entries, hlcHighWater, gaps, strays, ...(tornTail && { tornTail }) };
    this.#core = new WriteAheadLogCore(checksum, start, options);
    const last = start.segments.at(-1);
    this.#files.set(last?.firstLsn ?? nextLsn, this.#segmentFile(newest, last?.bytes ?? 0));
    this.#driver = new Driver(this.#core, options.clock ?? systemClock, (effect) => this.#perform(effect));
  }

  append(entries: readonly LogEntry[]): Promise<{ first: Lsn; last: Lsn }> {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#appends.set(id, { resolve, reject });
      this.#gathered.push({ id, entries });
      // Requests that arrived in one turn of the event loop share a group, also when the disk happens to be idle.
      if (this.#gathered.length === 1) setImmediate(() => this.#handOver());
    });
  }

  read(from: Lsn): AsyncIterable<ReadEntry> {
    return readLog(this.#fileSystem, this.#options.directory, () => this.#core.segments, from);
  }

  checkpoint(applied: Lsn): Promise<void> {
    if (!Number.isSafeInteger(applied) || applied < 0 || applied > this.#core.durableLsn) {
      const message = `a checkpoint must lie between 0 and the last durable entry, ${this.#core.durableLsn}; got ${applied}`;
      return Promise.reject(new EngramError('invalid_argument', message, { details: { applied } }));
    }
    return new Promise((resolve, reject) => {
      this.#checkpoints.push({ resolve, reject });
      this.#dispatch({ kind: 'checkpoint', applied });
    });
  }

  status(): LogStatus {
    const { reason, firstLsn, nextLsn, durableLsn, segments, queuedBytes } = this.#core;
    const state = this.#defect ? 'failed' : this.#core.state;
    const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
    return {
      state, firstLsn, nextLsn, durableLsn, segments: segments.length, bytes, queuedBytes,
      ...(state !== 'accepting' && { reason: this.#defect?.message ?? reason }),
    };
  }

  close(): Promise<void> {
    this.#closing ??= new Promise((resolve, reject) => {
      this.#closed = { resolve, reject };
      this.#handOver();
      this.#dispatch({ kind: 'close' });
    });
    return this.#closing;
  }

  #handOver(): void {
    if (this.#gathered.length === 0) return;
    const calls = this.#gathered;
    this.#gathered = [];
    this.#dispatch({ kind: 'append', calls });
  }

  #perform(effect: LogEffect): void {
    switch (effect.kind) {
      case 'open-segment':      return this.#answer(this.#openSegment(effect.segment, effect.header), 'segment-opened', 'segment-open-failed');
      case 'write':             return this.#answer(this.#file(effect.segment).write(effect.bytes, effect.offset), 'written', 'write-failed');
      case 'sync':              return this.#answer(this.#sync(effect.segment), 'synced', 'sync-failed');
      case 'truncate':          return this.#answer(this.#truncate(effect.segment, effect.bytes), 'truncated', 'truncate-failed');
      case 'delete-segment':    return this.#deleteSegment(effect.segment);
      case 'acknowledge':       return this.#settle(effect.id)?.resolve({ first: effect.first, last: effect.last });
      case 'reject':            return this.#settle(effect.id)?.reject(errorOf(effect.refusal));
      case 'retention-settled': return this.#settleCheckpoints(effect.failure);
      case 'state-changed':     return this.#options.onStateChange?.(effect.state, effect.reason);
      case 'finish':            return void this.#finish(effect.mark);
      default:                  return unreachable(effect);
    }
  }

  async #openSegment(segment: Lsn, header: Uint8Array): Promise<void> {
    const path = this.#path(segment);
    await createWhole(this.#fileSystem, this.#options.directory, path, header);
    this.#files.set(segment, this.#segmentFile(await this.#fileSystem.openForWriting(path), header.length));
  }

  #segmentFile(file: LogFile, bytes: number): SegmentFile {
    return new SegmentFile(file, bytes, this.#options.layOutBytes ?? LAY_OUT_BYTES);
  }

  async #sync(segment: Lsn): Promise<void> {
    const from = performance.now();
    await this.#file(segment).dataSync();
    this.#options.onFsync?.((performance.now() - from) / 1_000);
    await this.#releaseFinished(segment);
  }

  async #truncate(segment: Lsn, bytes: number): Promise<void> {
    await this.#file(segment).truncate(bytes);
    await this.#file(segment).dataSync();
    await this.#releaseFinished(segment);
  }

  /** A finished segment is written no more once its end is on the disk. */
  async #releaseFinished(segment: Lsn): Promise<void> {
    if (segment === this.#core.segments.at(-1)?.firstLsn) return;
    const file = this.#file(segment);
    this.#files.delete(segment);
    await file.finish();
  }

  #deleteSegment(segment: Lsn): void {
    const work = this.#fileSystem.remove(this.#path(segment)).catch(ignoreMissing).then(() => this.#fileSystem.syncDirectory(this.#options.directory));
    this.#deletion = work.then(
      () => this.#dispatch({ kind: 'segment-deleted', segment }),
      (error: unknown) => this.#dispatch({ kind: 'segment-delete-failed', message: messageOf(error) }),
    );
  }

  async #finish(mark: CleanMark | undefined): Promise<void> {
    await this.#deletion;
    // Without the mark the next start recovers as after a crash, so a disk too full for it is no reason to fail.
    if (mark) {
      const path = join(this.#options.directory, CLEAN_MARK_FILE);
      await createWhole(this.#fileSystem, this.#options.directory, path, encodeCleanMark(mark, checksum)).catch(() => undefined);
    }
    await this.#closeFiles();
    this.#closed?.resolve();
  }

  async #closeFiles(): Promise<void> {
    const files = [...this.#files.values()];
    this.#files.clear();
    for (const file of files) await file.finish();
  }

  #answer(work: Promise<void>, done: 'segment-opened' | 'written' | 'synced' | 'truncated', failed: 'segment-open-failed' | 'write-failed' | 'sync-failed' | 'truncate-failed'): void {
    work.then(
      () => this.#dispatch({ kind: done }),
      (error: unknown) => {
        this.#dispatch({ kind: failed, cause: isNoSpace(error) ? 'no-space' : 'other', message: messageOf(error) });
      },
    );
  }

  /** Nothing may wait for ever on a core that broke one of its own rules: everybody hears, and the log stays stopped. */
  #dispatch(event: LogEvent): void {
    try {
      if (!this.#defect) this.#driver.dispatch(event);
    } catch (error) {
      this.#defect = error instanceof Error ? error : new Error(String(error));
    }
    const defect = this.#defect;
    if (!defect) return;
    for (const id of [...this.#appends.keys()]) this.#settle(id)?.reject(errorOf({ code: 'log_failed', message: `the log has stopped: ${defect.message}`, indeterminate: true }, defect));
    for (const waiting of this.#checkpoints.splice(0)) waiting.reject(defect);
    void this.#closeFiles();
    this.#closed?.reject(defect);
  }

  #settle(id: number): Waiting<{ first: Lsn; last: Lsn }> | undefined {
    const waiting = this.#appends.get(id);
    this.#appends.delete(id);
    return waiting;
  }

  #settleCheckpoints(failure: string | undefined): void {
    for (const waiting of this.#checkpoints.splice(0)) {
      if (failure === undefined) waiting.resolve();
      else waiting.reject(new EngramError('unavailable', `deleting a segment failed: ${failure}`, { hint: 'The log goes on; the next checkpoint tries again.' }));
    }
  }

  #file(segment: Lsn): SegmentFile {
    const file = this.#files.get(segment);
    assert(file, 'the core writes only to segments that are open', { segment });
    return file;
  }

  #path(segment: Lsn): string {
    return join(this.#options.directory, segmentFileName(segment));
  }
}

function errorOf({ code, message, indeterminate }: Refusal, cause?: Error): EngramError {
  return new EngramError(code, message, { ...(cause && { cause }), ...(code === 'log_failed' && { details: { indeterminate } }) });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
