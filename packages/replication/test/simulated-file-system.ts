import { dirname, join } from 'node:path';
import type { Random } from '@engram/kernel';
import type { LogFile, LogFileSystem } from '../src/index.js';
import { systemError } from './faulty-file-system.js';

const SECTOR_BYTES = 512;

interface Inode {
  synced: Uint8Array;
  /** What a reader sees: the synced bytes with everything written since. */
  cached: Uint8Array;
  pending: ({ readonly kind: 'write'; readonly offset: number; readonly bytes: Uint8Array } | { readonly kind: 'truncate'; readonly bytes: number })[];
}

/** A promise this file system breaks, to show that a test would notice. */
export type BrokenPromise = 'data sync does nothing' | 'directory sync does nothing';

type NameChange = (names: Map<string, Inode>) => void;

/**
 * A file system in memory that forgets at a power cut what was not synced: of the data of a file any subset of sectors
 * may survive, of the names in a directory any number of the first changes. `powerCutAt` names the operation that never
 * returns; everything before it has happened.
 */
export class SimulatedFileSystem implements LogFileSystem {
  readonly #names: Map<string, Inode>;
  readonly #durableNames: Map<string, Inode>;
  #nameChanges: NameChange[] = [];
  readonly #powerCutAt: number;
  readonly #onPowerCut: () => void;
  readonly #broken: BrokenPromise | undefined;
  #operations = 0;

  constructor(powerCutAt = Infinity, onPowerCut: () => void = () => undefined, broken?: BrokenPromise, names: ReadonlyMap<string, Inode> = new Map()) {
    this.#broken = broken;
    this.#names = new Map(names);
    this.#durableNames = new Map(names);
    this.#powerCutAt = powerCutAt;
    this.#onPowerCut = onPowerCut;
  }

  /** The machine after the power came back. */
  afterPowerCut(random: Random, powerCutAt = Infinity, onPowerCut?: () => void): SimulatedFileSystem {
    const names = new Map(this.#durableNames);
    for (const change of this.#nameChanges.slice(0, random.below(this.#nameChanges.length + 1))) change(names);
    for (const [name, inode] of names) {
      const bytes = survivingBytes(inode, random);
      names.set(name, { synced: bytes, cached: bytes, pending: [] });
    }
    return new SimulatedFileSystem(powerCutAt, onPowerCut, this.#broken, names);
  }

  async makeDirectory(): Promise<void> {
    await this.#step();
  }

  async list(directory: string): Promise<readonly string[]> {
    return [...this.#names.keys()].filter((path) => dirname(path) === directory).map((path) => path.slice(directory.length + 1));
  }

  async readWhole(path: string): Promise<Uint8Array> {
    return this.#inode(path).cached.slice();
  }

  async create(path: string): Promise<LogFile> {
    await this.#step();
    if (this.#names.has(path)) throw systemError('EEXIST');
    const inode: Inode = { synced: new Uint8Array(0), cached: new Uint8Array(0), pending: [] };
    this.#change((names) => names.set(path, inode));
    return this.#open(inode);
  }

  async openForWriting(path: string): Promise<LogFile> {
    return this.#open(this.#inode(path));
  }

  async openForReading(path: string): Promise<LogFile> {
    return this.#open(this.#inode(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#step();
    const inode = this.#inode(from);
    this.#change((names) => {
      names.delete(from);
      names.set(to, inode);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#step();
    this.#inode(path);
    this.#change((names) => names.delete(path));
  }

  async syncDirectory(): Promise<void> {
    await this.#step();
    if (this.#broken === 'directory sync does nothing') return;
    for (const change of this.#nameChanges.splice(0)) change(this.#durableNames);
  }

  #open(inode: Inode): LogFile {
    return {
      write: async (bytes, offset) => {
        await this.#step();
        inode.pending.push({ kind: 'write', offset, bytes: bytes.slice() });
        inode.cached = overwritten(inode.cached, offset, bytes);
        return bytes.length;
      },
      read: async (bytes, offset) => {
        const found = inode.cached.subarray(offset, offset + bytes.length);
        bytes.set(found);
        return found.length;
      },
      dataSync: async () => {
        await this.#step();
        if (this.#broken === 'data sync does nothing') return;
        inode.synced = inode.cached;
        inode.pending = [];
      },
      truncate: async (bytes) => {
        await this.#step();
        inode.pending.push({ kind: 'truncate', bytes });
        inode.cached = resized(inode.cached, bytes);
      },
      close: async () => undefined,
    };
  }

  #change(change: NameChange): void {
    change(this.#names);
    this.#nameChanges.push(change);
  }

  #inode(path: string): Inode {
    const inode = this.#names.get(join(path));
    if (!inode) throw systemError('ENOENT');
    return inode;
  }

  async #step(): Promise<void> {
    if (++this.#operations < this.#powerCutAt) return;
    this.#onPowerCut();
    await new Promise(() => undefined);
  }
}

function survivingBytes(inode: Inode, random: Random): Uint8Array {
  const keep = random.pick([0, 0.5, 0.9, 1]);
  let bytes = inode.synced;
  for (const change of inode.pending) {
    if (change.kind === 'truncate') {
      if (random.chance(keep)) bytes = resized(bytes, change.bytes);
      continue;
    }
    for (let from = 0; from < change.bytes.length; ) {
      const to = Math.min(change.bytes.length, from + SECTOR_BYTES - ((change.offset + from) % SECTOR_BYTES));
      if (random.chance(keep)) bytes = overwritten(bytes, change.offset + from, change.bytes.subarray(from, to));
      from = to;
    }
  }
  return bytes;
}

function overwritten(file: Uint8Array, offset: number, bytes: Uint8Array): Uint8Array {
  const grown = resized(file, Math.max(file.length, offset + bytes.length));
  grown.set(bytes, offset);
  return grown;
}

function resized(file: Uint8Array, bytes: number): Uint8Array {
  const result = new Uint8Array(bytes);
  result.set(file.subarray(0, bytes));
  return result;
}
