import { readEndpoint } from '../core/endpoint.js';
import type { SelfRegistration, SourceAnswer } from '../source.js';
import { CollectedEndpoints, sourceEndpointsMax } from './collected-endpoints.js';

/** Position in the history of etcd. 64 bits wide, so it stays the text that the JSON gateway makes of it. */
export type Revision = string;

export interface EtcdListing {
  readonly answer: SourceAnswer;
  readonly revision: Revision;
}

/** One message of a watch, reduced to what matters: that something changed, or why the watch is over. */
export type WatchMessage =
  | { readonly kind: 'progress' }
  | { readonly kind: 'changed' }
  | { readonly kind: 'compacted' }
  | { readonly kind: 'ended'; readonly reason: string };

/** What a node writes under its key. Others need the endpoint only; the rest is for the operator who looks. */
export function registeredValue(self: SelfRegistration): string {
  return JSON.stringify({ endpoint: self.swim, node_id: self.nodeId, cluster: self.cluster, http: self.http, cluster_id: self.clusterId });
}

/** Reads `/v3/kv/range`. Values are what `registeredValue` writes, or a bare `host:port` put there by hand. */
export function listingOf(answer: unknown): EtcdListing | undefined {
  const { header, kvs = [], count } = objectOf(answer);
  const revision = revisionOf(objectOf(header)['revision']);
  if (revision === undefined || !Array.isArray(kvs)) return undefined;
  const found = new CollectedEndpoints();
  for (const kv of kvs) {
    const endpoint = readEndpoint(endpointIn(textOf(objectOf(kv)['value'])));
    if (endpoint === undefined) found.leaveOut('with a value that is neither host:port nor a registration');
    else found.add(endpoint.host, endpoint.port);
  }
  const total = numberOf(count);
  const beyond = total > kvs.length ? [`${total} keys, of which the first ${kvs.length} were read`] : [];
  return { answer: found.answer(beyond), revision };
}

/** Keys that one listing asks for. */
export const keysMax = sourceEndpointsMax;

/** Reads one line of `/v3/watch`. Undefined when it is no message of a watch. */
export function watchMessage(line: unknown): WatchMessage | undefined {
  const { result, error } = objectOf(line);
  if (error !== undefined) return { kind: 'ended', reason: reasonOf(error) };
  if (typeof result !== 'object' || result === null) return undefined;
  const { canceled, cancel_reason: reason, compact_revision: compacted, events } = objectOf(result);
  if (revisionOf(compacted) !== undefined) return { kind: 'compacted' };
  if (canceled === true) return { kind: 'ended', reason: typeof reason === 'string' && reason !== '' ? reason : 'cancelled by the server' };
  return Array.isArray(events) && events.length > 0 ? { kind: 'changed' } : { kind: 'progress' };
}

/** Seconds that a lease still has; 0 when etcd no longer knows it, which it says by leaving the time out. */
export function remainingTtl(answer: unknown): number | undefined {
  const { result } = objectOf(answer);
  if (typeof result !== 'object' || result === null) return undefined;
  return numberOf(objectOf(result)['TTL']);
}

/** The id of a lease that was granted, a 64-bit number as text. */
export function grantedLease(answer: unknown): string | undefined {
  return revisionOf(objectOf(answer)['ID']);
}

/** The token that `/v3/auth/authenticate` hands out. One that no header can carry is none. */
export function tokenIn(answer: unknown): string | undefined {
  const { token } = objectOf(answer);
  return typeof token === 'string' && /^[\x21-\x7e]+$/.test(token) ? token : undefined;
}

/** The text of a refusal, which the gateway of one version puts where that of another does not. */
export function refusalOf(answer: unknown): string {
  const { message, error } = objectOf(answer);
  return reasonOf(message ?? error);
}

/** End of the range of all keys with the prefix: the prefix with its last byte raised. (etcd API guide, "Key ranges".) */
export function endOfPrefix(prefix: Uint8Array): Uint8Array {
  const last = prefix.findLastIndex((byte) => byte < 0xff);
  // Nothing can be raised: the range goes to the last key, which etcd writes as one zero byte.
  if (last < 0) return Uint8Array.of(0);
  const end = prefix.slice(0, last + 1);
  end[last] = (end[last] ?? 0) + 1;
  return end;
}

function endpointIn(text: string): unknown {
  if (!text.startsWith('{')) return text.trim();
  try {
    return objectOf(JSON.parse(text))['endpoint'];
  } catch {
    return undefined;
  }
}

function reasonOf(error: unknown): string {
  if (typeof error === 'string') return error;
  const message = objectOf(error)['message'];
  return typeof message === 'string' ? message : 'no reason given';
}

function revisionOf(value: unknown): Revision | undefined {
  return typeof value === 'string' && /^\d{1,19}$/.test(value) && value !== '0' ? value : undefined;
}

/** The gateway writes numbers of 64 bits as text. Anything that is no such number is 0. */
function numberOf(value: unknown): number {
  return typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : 0;
}

function textOf(base64: unknown): string {
  return typeof base64 === 'string' ? Buffer.from(base64, 'base64').toString('utf8') : '';
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
