import type { IncomingHttpHeaders } from 'node:http';
import { EngramError, isNodeId, shown, type ClusterId, type NodeId } from '@engram/kernel';
import { peerHeaders, sessionHeader } from '@engram/rpc';

/** Names the node that passed a request on. A request that has it is not passed on again. */
export const forwardedByHeader = 'x-engram-forwarded-by';
/** Names the node that answered, when it is not the one that was asked. */
export const servedByHeader = 'x-engram-served-by';

/**
 * What of a request means something to the node that answers it. The others are about the connection to the client, or
 * would let a client speak in the name of a node.
 */
export const passedHeaders: readonly string[] = [
  'accept',
  'authorization',
  'content-encoding',
  'content-type',
  'idempotency-key',
  'traceparent',
  'tracestate',
  'x-engram-consistency',
  'x-memory-space',
  'x-request-id',
  sessionHeader,
];

/** Headers about one connection; the next one has its own. */
const connectionHeaders = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

export function requestHeaders(given: IncomingHttpHeaders, self: NodeId, clusterId: ClusterId): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const name of passedHeaders) {
    const value = given[name];
    if (value !== undefined) headers[name] = value;
  }
  headers[forwardedByHeader] = self;
  headers[peerHeaders.cluster] = clusterId;
  return headers;
}

export function answerHeaders(given: IncomingHttpHeaders, servedBy: NodeId): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && !connectionHeaders.has(name)) headers[name] = value;
  }
  headers[servedByHeader] ??= servedBy;
  return headers;
}

/**
 * Which node has passed a request on; undefined when it came from a client.
 *
 * @param header Reads a header, or a key of metadata.
 * @throws EngramError `invalid_argument` when a node of another cluster did, or what names the node is no node id.
 */
export function readForwarded(header: (name: string) => string | undefined, clusterId: ClusterId | undefined): NodeId | undefined {
  const by = header(forwardedByHeader);
  if (by === undefined) return undefined;
  const theirs = header(peerHeaders.cluster);
  if (theirs === undefined || theirs !== clusterId) {
    throw new EngramError('invalid_argument', `The request was passed on by a node of another cluster: this node belongs to ${clusterId ?? 'none'}, the other one to ${shown(theirs)}.`, {
      hint: 'Check the addresses of the nodes: one of them may have been taken over by a node of another cluster.',
    });
  }
  if (!isNodeId(by)) throw new EngramError('invalid_argument', `${forwardedByHeader} is ${shown(by)}, which is no node id.`, { hint: `Leave ${forwardedByHeader} to the nodes.` });
  return by;
}
