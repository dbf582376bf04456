import { isClusterId, isNodeId } from '@engram/kernel';
import { readEndpoint, spelled } from '../core/index.js';

/** Fits into one datagram everywhere, also where a tunnel takes some of it. */
export const frameBytesMax = 512;

/**
 * What travels on the group, as JSON: a few hundred bytes every few seconds, which an operator can read in a capture.
 *
 *     query ──> announce (from everybody registered, each after a short random while)
 *     announce, again and again ──> leave
 */
export type MulticastFrame =
  | { readonly kind: 'query'; readonly cluster: string; readonly from: string }
  | {
      readonly kind: 'announce';
      readonly cluster: string;
      readonly clusterId?: string;
      readonly nodeId: string;
      readonly startedAtMs: number;
      readonly sequence: number;
      readonly endpoint: string;
      readonly everyMs: number;
    }
  | { readonly kind: 'leave'; readonly cluster: string; readonly nodeId: string; readonly startedAtMs: number; readonly sequence: number };

/** The version of the frames. Those of a later one are counted apart and ignored. */
export const frameVersion = 1;

export function encodeFrame(frame: MulticastFrame): Buffer {
  return Buffer.from(JSON.stringify({ engram: frameVersion, ...frame }));
}

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Never throws: whatever is no frame is told apart from what only a later version understands. */
export function decodeFrame(bytes: Uint8Array): MulticastFrame | 'malformed' | 'other-version' {
  if (bytes.length > frameBytesMax) return 'malformed';
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    return 'malformed';
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'malformed';
  const fields = value as Readonly<Record<string, unknown>>;
  if (!isCount(fields['engram'])) return 'malformed';
  return fields['engram'] === frameVersion ? (frameOf(fields) ?? 'malformed') : 'other-version';
}

function frameOf(fields: Readonly<Record<string, unknown>>): MulticastFrame | undefined {
  const { kind, cluster, from, nodeId, startedAtMs, sequence, everyMs, clusterId } = fields;
  if (!isClusterId(cluster)) return undefined;
  if (kind === 'query') return typeof from === 'string' && from.length <= 64 ? { kind, cluster, from } : undefined;
  if (!isNodeId(nodeId) || !isCount(startedAtMs) || !isCount(sequence)) return undefined;
  if (kind === 'leave') return { kind, cluster, nodeId, startedAtMs, sequence };
  const endpoint = readEndpoint(fields['endpoint']);
  const isClusterIdFit = clusterId === undefined || (typeof clusterId === 'string' && clusterId.length <= 64);
  if (kind !== 'announce' || !endpoint || !isCount(everyMs) || !isClusterIdFit) return undefined;
  return { kind, cluster, nodeId, startedAtMs, sequence, endpoint: spelled(endpoint), everyMs, ...(clusterId !== undefined && { clusterId }) };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
