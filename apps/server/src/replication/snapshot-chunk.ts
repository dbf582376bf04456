import { crc32 } from 'node:zlib';
import { EngramError } from '@engram/kernel';
import { decodeOperation, encodeOperation, type Operation } from '@engram/memory';

/**
 * A part of a partition's snapshot on its way to another node:
 *
 * ```text
 * version (1 byte) | crc32 of the rest (u32) | { length (u32) | operation as the log carries it } …     (little-endian)
 * ```
 */
const version = 1;
const headerBytes = 5;

export function encodeChunk(operations: readonly Operation[]): Uint8Array {
  const encoded = operations.map(encodeOperation);
  const chunk = Buffer.allocUnsafe(encoded.reduce((sum, { length }) => sum + 4 + length, headerBytes));
  let at = headerBytes;
  for (const bytes of encoded) {
    at = chunk.writeUInt32LE(bytes.length, at);
    chunk.set(bytes, at);
    at += bytes.length;
  }
  chunk.writeUInt8(version, 0);
  chunk.writeUInt32LE(crc32(chunk.subarray(headerBytes)), 1);
  return chunk;
}

/** @throws EngramError `invalid_argument` when the chunk is not what was sent, or comes from another release. */
export function decodeChunk(bytes: Uint8Array): Operation[] {
  const chunk = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (chunk.length < headerBytes || chunk[0] !== version) throw refused(`is in version ${String(chunk[0])} with ${chunk.length} bytes; this release reads version ${version}`);
  if (crc32(chunk.subarray(headerBytes)) !== chunk.readUInt32LE(1)) throw refused('does not match its checksum');
  const operations: Operation[] = [];
  for (let at = headerBytes; at < chunk.length; ) {
    const length = at + 4 <= chunk.length ? chunk.readUInt32LE(at) : chunk.length;
    if (at + 4 + length > chunk.length) throw refused('is cut short');
    operations.push(decodeOperation(chunk.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  return operations;
}

function refused(complaint: string): EngramError {
  return new EngramError('invalid_argument', `the chunk of a snapshot ${complaint}`, { hint: 'It is asked for again. When that does not help, both nodes should run the same release.' });
}
