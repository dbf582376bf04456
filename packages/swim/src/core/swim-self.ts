import { assert, EngramError, isNodeId, parseClusterId, type ClusterId, type NodeId } from '@engram/kernel';
import { epochMax, epochStepMax, isAddress, type Address } from './member.js';

/** Who this node is, for the whole life of the process. */
export interface SwimSelf {
  /** Members of other clusters are turned away before a byte of theirs is parsed. */
  readonly cluster: ClusterId;
  /** When an earlier process has persisted it. Members of a cluster of the same name and another id are turned away as well. */
  readonly clusterId?: string;
  readonly id: NodeId;
  /** Where others reach this node. */
  readonly address: Address;
  /** Higher than in any earlier process of this id; the driver has persisted it. */
  readonly epoch: number;
  readonly metadata?: Uint8Array;
}

/** Throws EngramError `invalid_argument`. Ids of nodes are checked where they are parsed. */
export function checkSelf({ id, address, epoch, clusterId }: SwimSelf): void {
  assert(isNodeId(id), 'the id of a member is a node id', { id });
  if (!isAddress(address)) throw new EngramError('invalid_argument', 'the address of a member is 1 to 255 printable ASCII characters', { hint: 'Give the address as host:port.' });
  if (!Number.isInteger(epoch) || epoch < 1 || epoch > epochMax - epochStepMax) {
    throw new EngramError('invalid_argument', `an epoch is a whole number from 1 to ${epochMax - epochStepMax}, not ${epoch}`, { hint: 'Persist an epoch and raise it at each start; seconds since 1970 are a good floor.' });
  }
  if (clusterId !== undefined) parseClusterId(clusterId);
}
