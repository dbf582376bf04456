import { EngramError } from '@engram/kernel';
import type { Position } from './lineage.js';

/**
 * What the payload of a log entry is. Entries of the protocol begin with 0xc1, the one byte that msgpack never uses, so no
 * operation of a user can look like one:
 *
 * ```text
 * epoch-open   c1 01 00
 * taken-up     c1 01 01  u64 epoch  u64 seq  operation         (little-endian; what the entry was before)
 * ```
 */
export type EntryPayload =
  /** A primary begins its reign. Nothing to apply. */
  | { readonly kind: 'epoch-open' }
  /** An entry of a lost reign, standing in the lineage again. */
  | { readonly kind: 'taken-up'; readonly original: Position; readonly operation: Uint8Array }
  | { readonly kind: 'operation'; readonly operation: Uint8Array };

const marker = 0xc1;
const version = 1;
const kinds = { 'epoch-open': 0, 'taken-up': 1 } as const;
const takenUpHeaderBytes = 19;

/** What the first entry of every reign carries. */
export const epochOpenPayload: Uint8Array = Uint8Array.of(marker, version, kinds['epoch-open']);

/** The payload of an entry that is taken up again, with the place it had. */
export function takenUpPayload(original: Position, operation: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(takenUpHeaderBytes + operation.length);
  bytes.set([marker, version, kinds['taken-up']]);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(3, BigInt(original.epoch), true);
  view.setBigUint64(11, BigInt(original.seq), true);
  bytes.set(operation, takenUpHeaderBytes);
  return bytes;
}

export function isControl(payload: Uint8Array): boolean {
  return payload[0] === marker;
}

export function isReadable(payload: Uint8Array): boolean {
  if (payload[0] !== marker) return true;
  return payload[1] === version && ((payload[2] === kinds['epoch-open'] && payload.length === epochOpenPayload.length) || (payload[2] === kinds['taken-up'] && payload.length >= takenUpHeaderBytes));
}

/** Shares memory with `payload`. @throws EngramError `log_damaged` for a payload of the protocol that no version of it writes */
export function readPayload(payload: Uint8Array): EntryPayload {
  if (payload[0] !== marker) return { kind: 'operation', operation: payload };
  if (!isReadable(payload)) {
    throw new EngramError('log_damaged', `a log entry begins like one of the protocol, but version ${payload[1]} kind ${payload[2]} with ${payload.length} bytes is none`, {
      hint: 'The entry was written by a newer release: run that release on this data directory.',
    });
  }
  if (payload[2] === kinds['epoch-open']) return { kind: 'epoch-open' };
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  const original = { epoch: Number(view.getBigUint64(3, true)), seq: Number(view.getBigUint64(11, true)) };
  return { kind: 'taken-up', original, operation: payload.subarray(takenUpHeaderBytes) };
}
