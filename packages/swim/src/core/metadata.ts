import { EngramError, hash64 } from '@engram/kernel';
import type { Metadata } from './member.js';
import type { ResolvedSwimOptions } from './options.js';
import type { ClaimedMetadata } from './wire.js';

/** Our own metadata as the news carries it: whole when it is small, else by its hash. */
export function claimedMetadata(metadata: Metadata, inlineBytesMax: number, hash: Uint8Array | undefined): ClaimedMetadata | undefined {
  const { version, bytes, bytesLength } = metadata;
  if (version === 0) return undefined;
  if (bytes && bytesLength <= inlineBytesMax) return { version, bytesLength, bytes, hash: undefined };
  return { version, bytesLength, bytes: undefined, hash: hash ?? metadataHash(bytes ?? new Uint8Array(0)) };
}

export function ownMetadata(version: number, bytes: Uint8Array): Metadata {
  return { version, bytesLength: bytes.length, bytes: bytes.slice() };
}

export function metadataOf(claimed: ClaimedMetadata): Metadata {
  const { version, bytesLength, bytes } = claimed;
  return bytes ? { version, bytesLength, bytes } : { version, bytesLength };
}

/** Guards against mixing up versions, not against forgers: those are kept out by encryption. */
export function metadataHash(bytes: Uint8Array): Uint8Array {
  const hash = new Uint8Array(8);
  new DataView(hash.buffer).setBigUint64(0, hash64(bytes));
  return hash;
}

export function isMetadataOf(bytes: Uint8Array, hash: Uint8Array): boolean {
  return metadataHash(bytes).every((byte, i) => byte === hash[i]);
}

/** Throws EngramError `payload_too_large`. */
export function checkMetadata(bytes: Uint8Array, { metadataBytesMax }: Pick<ResolvedSwimOptions, 'metadataBytesMax'>): void {
  if (bytes.length <= metadataBytesMax) return;
  throw new EngramError('payload_too_large', tooLarge('metadata', bytes.length, metadataBytesMax), {
    hint: 'Keep metadata to what others need for finding you; publish the rest elsewhere and put its address here.',
    details: { bytes: bytes.length, bytesMax: metadataBytesMax },
  });
}

export function tooLarge(what: string, bytes: number, bytesMax: number): string {
  return `${what} of ${bytes} bytes is larger than the ${bytesMax} allowed`;
}
