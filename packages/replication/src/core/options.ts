import { OptionsError } from '@engram/kernel';
import { FRAME_HEADER_BYTES } from './record.js';
import { SEGMENT_HEADER_BYTES } from './segment-header.js';

/** The bounds of a log. All sizes are bytes on disk unless said otherwise. */
export interface LogOptions {
  /**
   * A segment is finished before it would grow beyond this. Larger ones mean fewer files; smaller ones free disk space
   * sooner after a checkpoint and bound the memory that recovery needs, which reads one segment at a time.
   * @default 67_108_864
   */
  readonly segmentBytesMax?: number;
  /** The largest payload of one entry. @default 4_194_304 */
  readonly entryBytesMax?: number;
  /**
   * The most that one write and sync carries, and so the most that one call of `append` may carry. It bounds how long
   * an append waits for the bytes of others. @default 8_388_608
   */
  readonly groupBytesMax?: number;
  /** What may wait for the disk, the group under way included; beyond it appends are refused as `overloaded`. @default 67_108_864 */
  readonly queueBytesMax?: number;
  /** How much log a checkpoint leaves in place, for replicas that still have to catch up. @default 134_217_728 */
  readonly retainBytes?: number;
  /** How often a full disk is tried again, in milliseconds. @default 1_000 */
  readonly fullProbeMs?: number;
  /** How much must fit before a full disk counts as having room again; keeps the log from flapping. @default 65_536 */
  readonly fullProbeBytes?: number;
  /**
   * After this many quiet milliseconds the log writes a seal, which proves that the last entries were durable. Shorter
   * narrows the window in which damage to the last group passes for the work of a crash; it costs one more write and
   * sync per quiet period. @default 200
   */
  readonly sealAfterMs?: number;
}

/** A frame adds its header, the origin and padding to the payload. */
export const frameOverheadBytesMax = FRAME_HEADER_BYTES + 64 + 7;

/** Fills in the defaults. @throws OptionsError naming the option that is out of range or contradicts another */
export function resolveLogOptions(options: LogOptions = {}): Required<LogOptions> {
  const resolved = {
    segmentBytesMax: options.segmentBytesMax ?? 64 * 1024 * 1024,
    entryBytesMax: options.entryBytesMax ?? 4 * 1024 * 1024,
    groupBytesMax: options.groupBytesMax ?? 8 * 1024 * 1024,
    queueBytesMax: options.queueBytesMax ?? 64 * 1024 * 1024,
    retainBytes: options.retainBytes ?? 128 * 1024 * 1024,
    fullProbeMs: options.fullProbeMs ?? 1_000,
    fullProbeBytes: options.fullProbeBytes ?? 64 * 1024,
    sealAfterMs: options.sealAfterMs ?? 200,
  };
  for (const [name, value] of Object.entries(resolved)) {
    const least = name === 'retainBytes' ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) throw new OptionsError(name, `must be a whole number from ${least} on, not ${value}`);
  }
  if (resolved.segmentBytesMax > 1024 * 1024 * 1024) throw new OptionsError('segmentBytesMax', 'must be at most 1 GiB, because recovery reads a whole segment into memory');
  if (resolved.entryBytesMax + frameOverheadBytesMax > resolved.groupBytesMax) {
    throw new OptionsError('groupBytesMax', `must hold the largest entry and its frame, so at least ${resolved.entryBytesMax + frameOverheadBytesMax}`);
  }
  if (resolved.groupBytesMax + SEGMENT_HEADER_BYTES > resolved.segmentBytesMax) {
    throw new OptionsError('segmentBytesMax', `must hold a whole group and the header, so at least ${resolved.groupBytesMax + SEGMENT_HEADER_BYTES}`);
  }
  if (resolved.queueBytesMax < resolved.groupBytesMax) throw new OptionsError('queueBytesMax', `must hold at least one group, so at least ${resolved.groupBytesMax}`);
  return resolved;
}
