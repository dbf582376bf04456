import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { EngramError, type ErrorCode } from '@engram/kernel';
import { errorStatus, errorToDetail } from '@engram/rpc';
import type { Static } from 'typebox';
import type { ErrorAnswer } from './schemas.js';

type ErrorFields = Static<typeof ErrorAnswer>['error'];

export function errorFields(error: unknown, requestId: string): ErrorFields {
  const { code, message, hint, retryable, retryAfterMs, node, space, epoch, indeterminate } = errorToDetail(error, { requestId });
  return {
    code,
    message,
    hint,
    retryable,
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
    ...(node === undefined ? {} : { node }),
    ...(space === undefined ? {} : { space }),
    ...(epoch === undefined ? {} : { epoch: Number(epoch) }),
    ...(indeterminate ? { indeterminate } : {}),
    request_id: requestId,
  };
}

export interface ErrorResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: { readonly error: ErrorFields };
}

/** What an error is answered with: status, the one shape, and the headers that HTTP wants beside it. */
export function errorResponse(error: EngramError, requestId: string): ErrorResponse {
  const { retryAfterMs, allow } = error.details;
  const headers: Record<string, string> = {};
  if (typeof retryAfterMs === 'number') headers['retry-after'] = String(Math.max(1, Math.ceil(retryAfterMs / 1_000)));
  else if (error.retryable) headers['retry-after'] = '1';
  if (Array.isArray(allow)) headers['allow'] = allow.join(', ');
  return { status: errorStatus[error.code].http, headers, body: { error: errorFields(error, requestId) } };
}

/** What the framework throws, told in our words; undefined for what it did not foresee, which is ours to look into. */
export function knownError(error: unknown): EngramError | undefined {
  if (error instanceof EngramError) return error;
  if (typeof error !== 'object' || error === null) return undefined;
  const { code, statusCode, message } = error as { code?: unknown; statusCode?: unknown; message?: unknown };
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new EngramError('payload_too_large', 'the body is larger than this route accepts', { hint: 'Send less at once. Batches may be streamed as application/x-ndjson without a bound.', cause: error });
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_ERR_CTP_INVALID_CONTENT_TYPE':
      return new EngramError('unsupported_media_type', 'the body is of a content type that this route does not read', { cause: error });
    case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
      return new EngramError('invalid_argument', 'the body is not as long as the header Content-Length says', { hint: 'Correct the header, or leave it to the HTTP library.', cause: error });
    case 'FST_ERR_BAD_URL':
      return new EngramError('invalid_argument', 'the path holds a percent sign that does not begin a valid UTF-8 escape', { hint: 'Percent-encode the path as UTF-8.', cause: error });
    case 'ECONNRESET':
    case 'ERR_STREAM_PREMATURE_CLOSE':
      return new EngramError('invalid_argument', 'the connection ended before the body did', { hint: 'Send the request again, whole.', cause: error });
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    return new EngramError('invalid_argument', typeof message === 'string' ? message : 'the request is not acceptable', { cause: error });
  }
  return undefined;
}

/** The statuses that answer what is not even HTTP, by the parser's error code, and the words for them. */
const protocolFaults: Readonly<Record<string, { status: number; code: ErrorCode; message: string; hint: string }>> = {
  HPE_HEADER_OVERFLOW: { status: 431, code: 'payload_too_large', message: 'the request line and headers are larger than 16 KiB', hint: 'Send fewer or shorter headers; put long values into the body.' },
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, code: 'deadline_exceeded', message: 'the request did not arrive in time', hint: 'Send the request without long pauses; split a long stream into several.' },
  HPE_CHUNK_EXTENSIONS_OVERFLOW: { status: 413, code: 'payload_too_large', message: 'the chunk extensions are too large', hint: 'Send chunks without extensions.' },
};
const notHttp = { status: 400, code: 'invalid_argument', message: 'the bytes received are not a valid HTTP/1.1 request', hint: 'Check that the client speaks HTTP/1.1 without TLS to this port.' } as const;

/** Answers, on the bare socket, a client whose request never became one; then closes, as its framing is lost. */
export function answerClientError(error: Error & { code?: string }, socket: Socket, requestId: string): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, code, message, hint } = protocolFaults[error.code ?? ''] ?? notHttp;
  const body = JSON.stringify({ error: errorFields(new EngramError(code, message, { hint }), requestId) });
  socket.end(
    [
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      '',
      body,
    ].join('\r\n'),
  );
}
