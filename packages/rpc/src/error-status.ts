import { status } from '@grpc/grpc-js';
import type { ErrorCode } from '@engram/kernel';

/** How an error code is answered over each of the two interfaces. */
export interface WireStatus {
  /** Status code of the HTTP answer. */
  readonly http: number;
  /** Status code of the gRPC call. */
  readonly grpc: status;
}

/**
 * The one home of the mapping from error codes to statuses, for HTTP and for gRPC. Both columns agree in class: what
 * is the caller's mistake in one is the caller's mistake in the other, so that proxies and client libraries, which
 * see only the status, treat a request alike whichever way it came. The stable code travels beside the status.
 */
export const errorStatus: Readonly<Record<ErrorCode, WireStatus>> = {
  invalid_argument: { http: 400, grpc: status.INVALID_ARGUMENT },
  unknown_field: { http: 400, grpc: status.INVALID_ARGUMENT },
  invalid_options: { http: 400, grpc: status.INVALID_ARGUMENT },
  invalid_config: { http: 400, grpc: status.INVALID_ARGUMENT },
  embedding_dimension_mismatch: { http: 400, grpc: status.INVALID_ARGUMENT },
  unsupported_media_type: { http: 415, grpc: status.INVALID_ARGUMENT },

  space_not_found: { http: 404, grpc: status.NOT_FOUND },
  memory_not_found: { http: 404, grpc: status.NOT_FOUND },
  node_not_found: { http: 404, grpc: status.NOT_FOUND },
  route_not_found: { http: 404, grpc: status.UNIMPLEMENTED },
  method_not_allowed: { http: 405, grpc: status.UNIMPLEMENTED },

  id_conflict: { http: 409, grpc: status.ALREADY_EXISTS },
  id_forgotten: { http: 409, grpc: status.FAILED_PRECONDITION },
  idempotency_conflict: { http: 409, grpc: status.FAILED_PRECONDITION },

  precondition_failed: { http: 409, grpc: status.FAILED_PRECONDITION },
  not_primary: { http: 421, grpc: status.FAILED_PRECONDITION },

  payload_too_large: { http: 413, grpc: status.RESOURCE_EXHAUSTED },
  overloaded: { http: 429, grpc: status.RESOURCE_EXHAUSTED },
  capacity_exhausted: { http: 507, grpc: status.RESOURCE_EXHAUSTED },
  disk_full: { http: 507, grpc: status.RESOURCE_EXHAUSTED },

  deadline_exceeded: { http: 504, grpc: status.DEADLINE_EXCEEDED },
  not_ready: { http: 503, grpc: status.UNAVAILABLE },
  shutting_down: { http: 503, grpc: status.UNAVAILABLE },
  unavailable: { http: 503, grpc: status.UNAVAILABLE },
  copy_behind: { http: 503, grpc: status.UNAVAILABLE },
  discovery_failed: { http: 503, grpc: status.UNAVAILABLE },
  log_failed: { http: 503, grpc: status.UNAVAILABLE },
  data_directory_locked: { http: 503, grpc: status.UNAVAILABLE },
  address_in_use: { http: 503, grpc: status.UNAVAILABLE },

  log_damaged: { http: 500, grpc: status.DATA_LOSS },
  store_damaged: { http: 500, grpc: status.DATA_LOSS },
  assertion_failed: { http: 500, grpc: status.INTERNAL },
  internal: { http: 500, grpc: status.INTERNAL },
};

/**
 * The code a client assumes for a status that came without an {@link ErrorDetail}: from a proxy on the way, or from
 * the gRPC library itself.
 */
export function codeOfStatus(code: status, text: string): ErrorCode {
  switch (code) {
    case status.INVALID_ARGUMENT:
    case status.OUT_OF_RANGE:
    case status.FAILED_PRECONDITION:
    case status.PERMISSION_DENIED:
    case status.UNAUTHENTICATED:
      return 'invalid_argument';
    case status.NOT_FOUND:
      return 'memory_not_found';
    case status.ALREADY_EXISTS:
      return 'id_conflict';
    case status.UNIMPLEMENTED:
      return 'route_not_found';
    case status.RESOURCE_EXHAUSTED:
      // Both ends of grpc-js report a message over their limit in this way, with no code of ours beside it.
      return /larger than/.test(text) ? 'payload_too_large' : 'overloaded';
    case status.DEADLINE_EXCEEDED:
      return 'deadline_exceeded';
    case status.UNAVAILABLE:
    case status.CANCELLED:
    case status.ABORTED:
      return 'unavailable';
    case status.DATA_LOSS:
      return 'store_damaged';
    default:
      return 'internal';
  }
}
