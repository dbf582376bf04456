import { EngramError, errorCodes, type ErrorCode } from '@engram/kernel';
import { Metadata, status, type StatusObject } from '@grpc/grpc-js';
import { codeOfStatus, errorStatus } from './error-status.js';
import { ErrorDetail } from './gen/engram/v1/error.js';

/** Trailing metadata under which a failed call carries its encoded {@link ErrorDetail}. */
export const errorDetailKey = 'engram-error-bin';

/** Texts are cut to these many UTF-16 units: a trailer larger than what a peer accepts would hide the error itself. */
const messageLengthMax = 2_048;
const hintLengthMax = 1_024;
const nameLengthMax = 256;

/** What is known of a failure as it reaches the edge of the server. */
export interface FailureContext {
  /** Id of the request in the logs. */
  readonly requestId?: string;
  /** Id of this node. */
  readonly node?: string;
}

/**
 * The error as it travels. Anything but an {@link EngramError} becomes `internal` without its message, which may hold
 * paths or data; the request id leads to it in the logs.
 *
 * Of `error.details` these are passed on when they have the right type: `retryAfterMs`, `node`, `space`, `epoch`,
 * `indeterminate`.
 */
export function errorToDetail(error: unknown, context: FailureContext = {}): ErrorDetail {
  const known = error instanceof EngramError ? error : internalError();
  const { retryAfterMs, node = context.node, space, epoch, indeterminate } = known.details;
  return {
    code: known.code,
    message: shorten(known.message, messageLengthMax),
    hint: shorten(known.hint, hintLengthMax),
    retryable: known.retryable,
    retryAfterMs: isUint32(retryAfterMs) ? retryAfterMs : undefined,
    node: typeof node === 'string' ? shorten(node, nameLengthMax) : undefined,
    space: typeof space === 'string' ? shorten(space, nameLengthMax) : undefined,
    epoch: typeof epoch === 'bigint' || isUint32(epoch) ? BigInt(epoch) : undefined,
    requestId: shorten(context.requestId ?? '', nameLengthMax),
    indeterminate: indeterminate === true,
  };
}

/** The {@link EngramError} a detail describes. A code this version does not know becomes what its `fallback` says. */
export function detailToError(detail: ErrorDetail, fallback: ErrorCode = 'internal', cause?: unknown): EngramError {
  const code = isErrorCode(detail.code) ? detail.code : fallback;
  return new EngramError(code, detail.message, {
    hint: detail.hint,
    cause,
    details: defined({
      serverCode: code === detail.code ? undefined : detail.code,
      retryAfterMs: detail.retryAfterMs,
      node: detail.node,
      space: detail.space,
      epoch: detail.epoch,
      requestId: detail.requestId === '' ? undefined : detail.requestId,
      indeterminate: detail.indeterminate ? true : undefined,
    }),
  });
}

/** The status a failed call ends with: gRPC code, message, and the whole error in trailing metadata. */
export function errorToStatus(error: unknown, context: FailureContext = {}): StatusObject {
  const detail = errorToDetail(error, context);
  const metadata = new Metadata();
  metadata.set(errorDetailKey, Buffer.from(ErrorDetail.encode(detail).finish()));
  return { code: errorStatus[detail.code as ErrorCode].grpc, details: detail.message, metadata };
}

/** The {@link EngramError} behind the failure of a call, with or without a detail. The failure becomes its `cause`. */
export function statusToError(failure: unknown): EngramError {
  if (failure instanceof EngramError) return failure;
  if (!isStatus(failure)) {
    return new EngramError('internal', `The call failed: ${String(failure)}`, { cause: failure });
  }
  const fallback = codeOfStatus(failure.code, failure.details);
  const detail = readDetail(failure.metadata);
  if (detail !== undefined) return detailToError(detail, fallback, failure);
  return new EngramError(fallback, `${status[failure.code]}: ${failure.details}`, {
    hint: hintWithoutDetail(fallback),
    cause: failure,
  });
}

function internalError(): EngramError {
  return new EngramError('internal', 'The server failed while it worked on this request.', {
    hint: 'The request id leads to the cause in the log of the server.',
  });
}

function readDetail(metadata: Metadata | undefined): ErrorDetail | undefined {
  const encoded = metadata?.get(errorDetailKey)[0];
  if (!(encoded instanceof Uint8Array)) return undefined;
  try {
    return ErrorDetail.decode(encoded);
  } catch {
    // A detail that cannot be read must not hide the status it came with.
    return undefined;
  }
}

function hintWithoutDetail(code: ErrorCode): string {
  switch (code) {
    case 'payload_too_large':
      return 'Send smaller batches or ask for fewer memories, or raise the message size limit on both ends.';
    case 'unavailable':
      return 'Check the address and whether the node runs, then try again.';
    case 'deadline_exceeded':
      return 'Try again with a longer deadline. A write may have happened: retry it with the same idempotency key.';
    default:
      return '';
  }
}

/** Cuts without leaving half of a surrogate pair, which neither UTF-8 nor a status message can hold. */
function shorten(text: string, lengthMax: number): string {
  const cut = text.length <= lengthMax ? text : `${text.slice(0, lengthMax - 1)}…`;
  return cut.replace(/\p{Surrogate}/gu, '\uFFFD');
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorCodes, code);
}

function isUint32(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 0xffff_ffff;
}

function isStatus(failure: unknown): failure is Pick<StatusObject, 'code' | 'details'> & { metadata?: Metadata } {
  return (
    typeof failure === 'object' &&
    failure !== null &&
    'code' in failure &&
    typeof failure.code === 'number' &&
    'details' in failure &&
    typeof failure.details === 'string'
  );
}

function defined(details: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== undefined));
}
