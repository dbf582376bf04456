import type { EngramError, MemoryId, SpaceId } from '@engram/kernel';
import { Overlay, type PendingRecord } from './overlay.js';
import type { ResolvedStoreOptions, StoreStatus } from './store-options.js';

/** Where overlays go: the database, or what stands in for it in a test. */
export interface CommitTarget {
  /** Resolves once the overlay is durable; rejects with an EngramError when nothing of it was written. */
  commit(overlay: Overlay): Promise<void>;
}

const retryFirstMs = 100;
const retryLongestMs = 5_000;

/**
 * Brings overlays to disk, one transaction at a time. `overlay` takes what is applied now; while a commit runs, what it
 * carries stays readable here, and only once lmdb reports it durable is it dropped and `durableLsn` advanced.
 *
 * A commit that fails changed nothing on disk. When the disk was full the very same overlay is tried again, with growing
 * pauses. After any other failure it is not: a disk that errs once may lie the next time, and lmdb itself refuses to go on
 * after a failed meta page. The log still has everything, and opening the store again replays it.
 */
export class Committer {
  readonly #target: CommitTarget;
  readonly #options: ResolvedStoreOptions;
  #overlay = new Overlay();
  #committing: Overlay | undefined;
  #inFlight: Promise<void> | undefined;
  #durableLsn: number;
  #status: StoreStatus = { state: 'ok' };
  #failure: EngramError | undefined;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(target: CommitTarget, options: ResolvedStoreOptions, durableLsn: number) {
    this.#target = target;
    this.#options = options;
    this.#durableLsn = durableLsn;
  }

  /** Where applied operations go. */
  get overlay(): Overlay {
    return this.#overlay;
  }

  get durableLsn(): number {
    return this.#durableLsn;
  }

  get status(): StoreStatus {
    return this.#status;
  }

  backlog(): { operations: number; bytes: number } {
    return {
      operations: this.#overlay.operations + (this.#committing?.operations ?? 0),
      bytes: this.#overlay.bytes + (this.#committing?.bytes ?? 0),
    };
  }

  pending(space: SpaceId, id: MemoryId): PendingRecord | undefined {
    return this.#overlay.get(space, id) ?? this.#committing?.get(space, id);
  }

  /** All pending records of a space behind `after`, sorted by id. */
  pendingOf(space: SpaceId, after: MemoryId | undefined): (readonly [MemoryId, PendingRecord])[] {
    const merged = new Map([...(this.#committing?.memories.get(space) ?? []), ...(this.#overlay.memories.get(space) ?? [])]);
    return [...merged].filter(([id]) => after === undefined || id > after).sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Sees to it that what is pending gets committed, soon or at once. */
  schedule(): void {
    if (this.#closed || this.#inFlight !== undefined || this.backlog().operations === 0 || this.#status.state === 'failed') return;
    if (this.#status.state === 'ok' && this.#overlay.operations >= this.#options.flushAtOperations) {
      this.#commitInBackground();
    } else {
      this.#timer ??= setTimeout(() => this.#commitInBackground(), this.#pauseMs()).unref();
    }
  }

  async flush(): Promise<void> {
    const last = this.#overlay.operations > 0 ? this.#overlay : this.#committing;
    while (last?.isDurable === false) await this.#commit();
  }

  /** Stops the timer and makes one last attempt. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.flush();
  }

  #pauseMs(): number {
    return this.#failures === 0 ? this.#options.flushEveryMs : Math.min(retryFirstMs * 2 ** (this.#failures - 1), retryLongestMs);
  }

  #commitInBackground(): void {
    // Whoever wants to know why a commit failed finds it in the status; nobody awaits this one.
    this.#commit().catch(() => {});
  }

  #commit(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#inFlight ??= this.#commitNext().finally(() => {
      this.#inFlight = undefined;
      this.schedule();
    });
    return this.#inFlight;
  }

  async #commitNext(): Promise<void> {
    if (this.#status.state === 'failed') throw this.#failure!;
    if (this.backlog().operations === 0) return;
    const committing = (this.#committing ??= this.#takeOverlay());
    try {
      await this.#target.commit(committing);
    } catch (error) {
      this.#failed(error as EngramError);
      throw error;
    }
    committing.isDurable = true;
    this.#durableLsn = committing.lsn;
    this.#committing = undefined;
    this.#failures = 0;
    this.#report({ state: 'ok' });
  }

  #takeOverlay(): Overlay {
    const taken = this.#overlay.freeze();
    this.#overlay = new Overlay();
    return taken;
  }

  #failed(error: EngramError): void {
    this.#failure = error;
    this.#failures++;
    this.#report({ state: error.code === 'disk_full' ? 'stalled' : 'failed', reason: error.message });
  }

  #report(status: StoreStatus): void {
    const changed = status.state !== this.#status.state;
    this.#status = status;
    if (changed) this.#options.onStatusChange?.(status);
  }
}
