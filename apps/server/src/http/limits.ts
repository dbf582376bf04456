import { OptionsError } from '@engram/kernel';

/** What the HTTP server accepts at most. Every field bounds memory or time that a client could otherwise take. */
export interface HttpLimits {
  /** Largest JSON body of one request. Wider than the 1 MiB of content, because JSON escapes can widen text. @default 4 MiB */
  readonly bodyBytesMax?: number;
  /** Largest JSON array of a batch. More than that belongs into an NDJSON stream, whose length has no bound. @default 32 MiB */
  readonly batchBodyBytesMax?: number;
  /** Most items of a JSON array batch. @default 10000 */
  readonly batchItemsMax?: number;
  /** Longest line of an NDJSON stream; a longer one is skipped and refused, the stream goes on. @default 4 MiB */
  readonly lineBytesMax?: number;
  /** Most lines of an NDJSON stream that are stored, and answered, together. @default 512 */
  readonly linesPerGroupMax?: number;
  /** Most store requests at work at the same time; the next one is answered 429. @default 10000 */
  readonly storesInFlightMax?: number;
  /** Most announced body bytes of store requests at work at the same time; beyond it 429. @default 256 MiB */
  readonly storeBytesInFlightMax?: number;
  /** Most open connections; the next one is closed at once. @default 10000 */
  readonly connectionsMax?: number;
  /** How long a client may take to send its headers, in milliseconds. @default 20000 */
  readonly headersTimeoutMs?: number;
  /** How long a client may take to send a whole request, NDJSON streams included, in milliseconds. @default 600000 */
  readonly requestTimeoutMs?: number;
  /** How long an idle connection is kept for the next request, in milliseconds. @default 72000 */
  readonly keepAliveTimeoutMs?: number;
}

const MiB = 1_048_576;

export function resolveHttpLimits(limits: HttpLimits = {}): Required<HttpLimits> {
  const resolved = {
    bodyBytesMax: 4 * MiB,
    batchBodyBytesMax: 32 * MiB,
    batchItemsMax: 10_000,
    lineBytesMax: 4 * MiB,
    linesPerGroupMax: 512,
    storesInFlightMax: 10_000,
    storeBytesInFlightMax: 256 * MiB,
    connectionsMax: 10_000,
    headersTimeoutMs: 20_000,
    requestTimeoutMs: 600_000,
    keepAliveTimeoutMs: 72_000,
    ...limits,
  };
  for (const [name, value] of Object.entries(resolved)) {
    if (!Number.isSafeInteger(value) || value < 1) throw new OptionsError(name, 'must be a whole number of at least 1');
  }
  const { bodyBytesMax, batchBodyBytesMax, lineBytesMax } = resolved;
  if (resolved.storeBytesInFlightMax < Math.max(bodyBytesMax, batchBodyBytesMax, lineBytesMax)) {
    throw new OptionsError('storeBytesInFlightMax', 'must hold at least one body of the largest size, or that body could never be stored');
  }
  if (resolved.requestTimeoutMs < resolved.headersTimeoutMs) {
    throw new OptionsError('requestTimeoutMs', 'must not be shorter than headersTimeoutMs, which is a part of it');
  }
  return resolved;
}
