import type { Random } from '@engram/kernel';
import type { DiskFault, LogEffect, LogEvent } from '../src/core/index.js';

const SECTOR_BYTES = 512;

/** A file as a page cache sees it: what is on the disk, and what was written since the last sync. */
interface SimulatedFile {
  synced: Uint8Array;
  readonly pending: { readonly offset: number; readonly bytes: Uint8Array }[];
}

export type DiskEffect = Extract<LogEffect, { kind: 'open-segment' | 'write' | 'sync' | 'truncate' | 'delete-segment' }>;

export function isDiskEffect(effect: LogEffect): effect is DiskEffect {
  return ['open-segment', 'write', 'sync', 'truncate', 'delete-segment'].includes(effect.kind);
}

/**
 * A disk that keeps only what was synced. A crash keeps any subset of the 512-byte sectors written since; what lies
 * between the kept ones reads as zeros, and the file ends after the last one kept.
 */
export class SimulatedDisk {
  readonly #files = new Map<number, SimulatedFile>();

  static holding(segments: readonly { readonly lsn: number; readonly bytes: Uint8Array }[]): SimulatedDisk {
    const disk = new SimulatedDisk();
    for (const { lsn, bytes } of segments) disk.#files.set(lsn, { synced: bytes.slice(), pending: [] });
    return disk;
  }

  /** Carries the effect out and answers as a driver would. */
  perform(effect: DiskEffect): LogEvent {
    switch (effect.kind) {
      case 'open-segment':
        this.#files.set(effect.segment, { synced: effect.header.slice(), pending: [] });
        return { kind: 'segment-opened' };
      case 'write':
        this.#file(effect.segment).pending.push({ offset: effect.offset, bytes: effect.bytes.slice() });
        return { kind: 'written' };
      case 'sync':
        this.#settle(this.#file(effect.segment));
        return { kind: 'synced' };
      case 'truncate': {
        const file = this.#file(effect.segment);
        this.#settle(file);
        file.synced = file.synced.slice(0, effect.bytes);
        return { kind: 'truncated' };
      }
      case 'delete-segment':
        this.#files.delete(effect.segment);
        return { kind: 'segment-deleted', segment: effect.segment };
    }
  }

  /** Does not carry it out, or only in part, and says so. */
  fail(effect: DiskEffect, cause: DiskFault, random: Random): LogEvent {
    const message = cause === 'no-space' ? 'no space left on device' : 'input/output error';
    switch (effect.kind) {
      case 'open-segment':
        return { kind: 'segment-open-failed', cause, message };
      case 'write':
        // A short write: the first bytes arrived, and they may reach the disk.
        this.#file(effect.segment).pending.push({ offset: effect.offset, bytes: effect.bytes.slice(0, random.below(effect.bytes.length)) });
        return { kind: 'write-failed', cause, message };
      case 'sync':
        return { kind: 'sync-failed', message };
      case 'truncate':
        return { kind: 'truncate-failed', message };
      case 'delete-segment':
        return { kind: 'segment-delete-failed', message };
    }
  }

  /** The power goes: each pending sector is kept or lost by itself, or all are lost, or all are kept. */
  crash(random: Random): void {
    for (const file of this.#files.values()) {
      const keep = random.pick([0, 0.5, 0.9, 1]);
      for (const { offset, bytes } of file.pending) {
        for (let from = 0; from < bytes.length; ) {
          const to = Math.min(bytes.length, from + SECTOR_BYTES - ((offset + from) % SECTOR_BYTES));
          if (random.chance(keep)) file.synced = overwritten(file.synced, offset + from, bytes.subarray(from, to));
          from = to;
        }
      }
      file.pending.length = 0;
    }
  }

  /** Sorted as a driver would hand them to recovery. */
  segments(): { lsn: number; bytes: Uint8Array }[] {
    return [...this.#files].map(([lsn, file]) => ({ lsn, bytes: file.synced })).sort((a, b) => a.lsn - b.lsn);
  }

  #settle(file: SimulatedFile): void {
    for (const { offset, bytes } of file.pending) file.synced = overwritten(file.synced, offset, bytes);
    file.pending.length = 0;
  }

  #file(segment: number): SimulatedFile {
    const file = this.#files.get(segment);
    if (!file) throw new Error(`segment ${segment} does not exist`);
    return file;
  }
}

function overwritten(file: Uint8Array, offset: number, bytes: Uint8Array): Uint8Array {
  const grown = new Uint8Array(Math.max(file.length, offset + bytes.length));
  grown.set(file);
  grown.set(bytes, offset);
  return grown;
}
