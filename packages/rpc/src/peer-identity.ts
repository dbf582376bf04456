import { EngramError, isClusterId, isNodeId, shown, type ClusterId, type NodeId } from '@engram/kernel';
import { Metadata } from '@grpc/grpc-js';

/** The version of what nodes say to one another. Nodes of different versions refuse each other. */
export const peerProtocolVersion = 1;

/** Who a node is to other nodes. */
export interface PeerIdentity {
  readonly clusterId: ClusterId;
  readonly nodeId: NodeId;
}

/** Metadata keys by which nodes introduce themselves to each other, on calls and on answers. */
export const peerHeaders = {
  cluster: 'x-engram-cluster-id',
  node: 'x-engram-node-id',
  protocol: 'x-engram-protocol',
} as const;

/** The metadata with which a node introduces itself. */
export function introduction({ clusterId, nodeId }: PeerIdentity): Metadata {
  const metadata = new Metadata();
  metadata.set(peerHeaders.cluster, clusterId);
  metadata.set(peerHeaders.node, nodeId);
  metadata.set(peerHeaders.protocol, String(peerProtocolVersion));
  return metadata;
}

/**
 * Who is at the other end. The version is looked at first: another one may introduce itself in another way.
 *
 * @throws EngramError `invalid_argument` for another protocol version, another cluster, a node id that is none, and for
 *   our own node id; both sides are named.
 */
export function readIntroduction(metadata: Metadata, self: PeerIdentity): NodeId {
  const value = (key: string): string | undefined => {
    const first = metadata.get(key)[0];
    return typeof first === 'string' ? first : undefined;
  };
  const protocol = value(peerHeaders.protocol);
  if (protocol !== String(peerProtocolVersion)) {
    throw refusal(
      `The nodes speak different versions of the protocol: ${self.nodeId} speaks ${peerProtocolVersion}, the other one ${named(protocol)}.`,
      'Bring both nodes to versions of Engram that work together.',
      { ours: peerProtocolVersion, theirs: protocol },
    );
  }
  const cluster = value(peerHeaders.cluster);
  if (!isClusterId(cluster) || cluster !== self.clusterId) {
    throw refusal(
      `The nodes belong to different clusters: ${self.nodeId} to ${self.clusterId}, the other one to ${named(cluster)}.`,
      'Check the addresses of the nodes: one of them may have been taken over by a node of another cluster.',
      { ours: self.clusterId, theirs: cluster },
    );
  }
  const node = value(peerHeaders.node);
  if (!isNodeId(node)) {
    throw refusal(`The other node does not say who it is: ${peerHeaders.node} is ${named(node)}.`, `Send a valid node id as ${peerHeaders.node}.`, { theirs: node });
  }
  if (node === self.nodeId) {
    throw refusal(`The other node calls itself ${node}, which is the id of this node.`, 'Give every node an id of its own; never run two processes on one data directory or on copies of it.', {
      ours: self.nodeId,
      theirs: node,
    });
  }
  return node;
}

function refusal(message: string, hint: string, details: Record<string, unknown>): EngramError {
  return new EngramError('invalid_argument', message, { hint, details });
}

function named(value: string | undefined): string {
  return value === undefined ? 'says nothing' : shown(value);
}
