import { join } from 'node:path';
import { EngramError } from '@engram/kernel';
import { decodeSegmentHeader, FRAME_HEADER_BYTES, FrameReader, frameSeed, lsn, plus, SEGMENT_HEADER_BYTES, segmentFileName, type LogEntry, type Lsn, type SegmentSummary } from '../core/index.js';
import { systemCode, type LogFile, type LogFileSystem } from './file-system.js';
import { attempt, checksum, damagedError } from './log-directory.js';

/** An entry and its position. */
export interface ReadEntry {
  readonly lsn: Lsn;
  /** Its payload is a view into a larger buffer: copy it to keep it for long. */
  readonly entry: LogEntry;
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * The durable entries from `from` on, in order, up to what is durable when the end is reached. `segments` is asked again
 * after each segment, so entries that became durable meanwhile are included. Every frame's checksum is verified again.
 */
export async function* readLog(
  fileSystem: LogFileSystem, directory: string, segments: () => readonly SegmentSummary[], from: Lsn,
): AsyncGenerator<ReadEntry, void, undefined> {
  let next: number = from;
  for (;;) {
    const [oldest] = segments();
    if (oldest && next < oldest.firstLsn) throw tooOld(lsn(next), oldest.firstLsn);
    // By position and not by index: retention may remove segments and rotation may add some while we read.
    const segment = segments().find((candidate) => candidate.lastLsn >= next);
    if (!segment) return;
    for await (const read of readSegment(fileSystem, directory, { ...segment }, lsn(next))) {
      yield read;
      next = read.lsn + 1;
    }
    next = Math.max(next, segment.lastLsn + 1);
  }
}

async function* readSegment(
  fileSystem: LogFileSystem, directory: string, segment: SegmentSummary, from: Lsn,
): AsyncGenerator<ReadEntry, void, undefined> {
  const name = segmentFileName(segment.firstLsn);
  const path = join(directory, name);
  const damaged = (offset: number, expected: Lsn, reason: string): EngramError =>
    damagedError(directory, { file: name, offset, reason, firstLsn: expected, lastLsn: segment.lastLsn });
  const file = await openSegment(fileSystem, path, from);
  try {
    const head = await readRange(file, 0, SEGMENT_HEADER_BYTES, path);
    const decoded = decodeSegmentHeader(head, checksum);
    if (decoded.kind === 'invalid') throw damaged(0, segment.firstLsn, decoded.reason);
    const seed = frameSeed(decoded.header.logId, segment.firstLsn, checksum);

    let expected = segment.firstLsn;
    let chunkBytes = CHUNK_BYTES;
    for (let offset = SEGMENT_HEADER_BYTES; offset < segment.bytes; ) {
      const asked = Math.min(chunkBytes, segment.bytes - offset);
      const bytes = await readRange(file, offset, asked, path);
      if (bytes.length < asked) throw damaged(offset + bytes.length, expected, 'the file became shorter');
      const frames = new FrameReader(bytes, seed, checksum);
      let at = 0;
      chunkBytes = CHUNK_BYTES;
      while (at < bytes.length) {
        const frame = frames.at(at);
        if (frame.kind === 'invalid') {
          // Perhaps only the chunk ends here: then read on from this frame, with room for all of it.
          const needed = bytes.length - at < FRAME_HEADER_BYTES ? FRAME_HEADER_BYTES : frames.wantedBytes(at);
          const cut = needed !== undefined && at + needed > bytes.length && offset + at + needed <= segment.bytes;
          if (!cut) throw damaged(offset + at, expected, frame.reason);
          chunkBytes = Math.max(CHUNK_BYTES, needed);
          break;
        }
        if (frame.kind === 'entry') {
          if (frame.lsn !== expected) throw damaged(offset + at, expected, 'a frame out of sequence');
          expected = plus(expected, 1);
          if (frame.lsn >= from) yield { lsn: frame.lsn, entry: frame.entry };
        }
        at += frame.bytes;
      }
      offset += at;
    }
    if (expected <= segment.lastLsn) throw damaged(segment.bytes, expected, 'the segment ends early');
  } finally {
    await file.close();
  }
}

async function openSegment(fileSystem: LogFileSystem, path: string, from: Lsn): Promise<LogFile> {
  try {
    return await fileSystem.openForReading(path);
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw tooOld(from, undefined);
    return attempt(`opening ${path}`, Promise.reject(error as Error));
  }
}

async function readRange(file: LogFile, offset: number, length: number, path: string): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  let filled = 0;
  while (filled < length) {
    const more = await attempt(`reading ${path}`, file.read(bytes.subarray(filled), offset + filled));
    if (more === 0) break;
    filled += more;
  }
  return bytes.subarray(0, filled);
}

function tooOld(from: Lsn, oldest: Lsn | undefined): EngramError {
  const held = oldest === undefined ? '' : `; the oldest entry held is ${oldest}`;
  return new EngramError('invalid_argument', `entry ${from} is no longer in the log: a checkpoint covered it and retention removed it${held}`, {
    hint: 'Read from a later position, or take a snapshot of the store first.',
    details: { from, ...(oldest !== undefined && { oldest }) },
  });
}
