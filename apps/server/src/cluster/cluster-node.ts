import type { NodeCard } from '@engram/cluster';
import { isClusterId, type ClusterId, type NodeId } from '@engram/kernel';
import { jsonMetadata, type MemberState, type MetadataCodec } from '@engram/swim';

/** A node of the cluster as one node sees it. */
export interface ClusterNode {
  readonly id: NodeId;
  readonly state: MemberState;
  /** Where SWIM reaches it; absent for a node that runs alone. */
  readonly address?: string;
  /** What it says about itself, once that is known. */
  readonly services?: NodeServices;
  /** Grows with every start of its process. */
  readonly epoch: number;
  /** Grows whenever it refutes a rumour or says something new about itself. */
  readonly incarnation: number;
  /** When this node last learned something about it, by this node's clock. */
  readonly changedAtMs: number;
  readonly self: boolean;
}

/** Where a node serves. */
export interface NodeServices {
  /** `host:port`, as other nodes reach it. */
  readonly http: string;
  readonly grpc: string;
  readonly version: string;
}

/** What a node tells all others about itself. */
export interface NodeMetadata extends NodeServices {
  /** The cluster it belongs to; absent while it belongs to none. */
  readonly clusterId?: ClusterId;
  /** While it belongs to none: with how many it forms one by itself. */
  readonly expect?: number;
  /** Of its disk: a node back with an empty one is another holder of what it held. */
  readonly storageId?: string;
  /** Where it stands. */
  readonly zone?: string;
  readonly rack?: string;
}

/** Fields that a newer version adds are left out; one that is missing makes the whole unreadable. */
export const nodeMetadata: MetadataCodec<NodeMetadata> = jsonMetadata((value) => {
  const { http, grpc, version, clusterId, expect, storageId, zone, rack } = (value ?? {}) as Record<string, unknown>;
  if (!isShortText(http) || !isShortText(grpc) || !isShortText(version)) throw new TypeError('not what a node of Engram says about itself');
  return {
    http, grpc, version,
    ...(isClusterId(clusterId) && { clusterId }),
    ...(isCount(expect) && { expect }),
    ...(isShortText(storageId) && { storageId }),
    ...(isShortText(zone) && { zone }),
    ...(isShortText(rack) && { rack }),
  };
});

/** What the roster will have of a node; undefined until it has told. */
export function cardOf(id: NodeId, { storageId, http, grpc, zone = '', rack = '' }: NodeMetadata): NodeCard | undefined {
  return storageId === undefined ? undefined : { id, storageId, addresses: { http, grpc }, zone, rack, capacity: 1 };
}

/** Others print this, so it must not carry what moves the cursor of a terminal. */
function isShortText(value: unknown): value is string {
  return typeof value === 'string' && /^[\x20-\x7e]{1,255}$/.test(value);
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 1_000;
}
