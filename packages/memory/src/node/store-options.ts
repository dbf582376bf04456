import { OptionsError } from '@engram/kernel';

/** Where the store lives, and its bounds. */
export interface MemoryStoreOptions {
  /** Where the store keeps its files; created when missing. One process at a time may open it: the caller sees to that. */
  readonly directory: string;
  /** `admit` refuses to store more memories than this over all spaces. Each costs RAM for its recall index. @default 5_000_000 */
  readonly maxMemories?: number;
  /** `admit` refuses to open more spaces than this. @default 100_000 */
  readonly maxSpaces?: number;
  /** Idempotency keys kept, about 300 bytes of RAM each; beyond it the oldest go first. @default 1_000_000 */
  readonly maxIdempotencyKeys?: number;
  /** Longest an applied operation waits for its commit. Longer means fewer syncs and more to replay after a crash. @default 200 */
  readonly flushEveryMs?: number;
  /** Operations that start a commit at once. @default 2048 */
  readonly flushAtOperations?: number;
  /** Applied but uncommitted operations from which `backlog().saturated` is true. @default 65_536 */
  readonly backlogOperationsMax?: number;
  /** Bytes of uncommitted memories from which `backlog().saturated` is true. @default 268_435_456 (256 MiB) */
  readonly backlogBytesMax?: number;
  /** Most records one `list` looks at; a rarer tag takes several pages. @default 10_000 */
  readonly listScanMax?: number;
  /** Bytes of memories after which a page of `list` ends, whatever its limit. @default 16_777_216 (16 MiB) */
  readonly listBytesMax?: number;
  /** Most bytes of memories that one `recall` returns. @default 67_108_864 (64 MiB) */
  readonly recallBytesMax?: number;
  /** Called when commits start or stop failing. */
  readonly onStatusChange?: (status: StoreStatus) => void;
}

/**
 * `stalled`: the disk is full; commits are retried, writes and reads go on in RAM and in the log.
 * `failed`: the disk refused a write for another reason; commits are not retried until the store is opened again.
 */
export type StoreStatus =
  | { readonly state: 'ok' }
  | { readonly state: 'stalled' | 'failed'; readonly reason: string };

export type ResolvedStoreOptions = Required<Omit<MemoryStoreOptions, 'onStatusChange'>> & Pick<MemoryStoreOptions, 'onStatusChange'>;

const defaults = {
  maxMemories: 5_000_000,
  maxSpaces: 100_000,
  maxIdempotencyKeys: 1_000_000,
  flushEveryMs: 200,
  flushAtOperations: 2_048,
  backlogOperationsMax: 65_536,
  backlogBytesMax: 268_435_456,
  listScanMax: 10_000,
  listBytesMax: 16_777_216,
  recallBytesMax: 67_108_864,
} as const;

export function resolveStoreOptions(options: MemoryStoreOptions): ResolvedStoreOptions {
  const resolved = { ...defaults, ...options };
  if (typeof resolved.directory !== 'string' || resolved.directory === '') throw new OptionsError('directory', 'must name a directory');
  for (const name of Object.keys(defaults) as (keyof typeof defaults)[]) {
    if (!Number.isSafeInteger(resolved[name]) || resolved[name] < 1) throw new OptionsError(name, 'must be a whole number of at least 1');
  }
  if (resolved.flushEveryMs > 60_000) throw new OptionsError('flushEveryMs', 'must be at most 60000; 200 suits most disks');
  if (resolved.backlogOperationsMax < resolved.flushAtOperations) {
    throw new OptionsError('backlogOperationsMax', 'must be at least flushAtOperations, or the store is saturated before it commits');
  }
  return resolved;
}
