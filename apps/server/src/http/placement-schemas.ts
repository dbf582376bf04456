/** The shapes of placement and replication on the wire. */
import { Type } from 'typebox';
import { oneOf, ref } from './schemas.js';

const Node = Type.String({ description: 'A node id.' });

export const PlacedSpace = Type.Object(
  {
    space_id: Type.String(),
    memories: Type.Integer({ description: 'That the node that answers holds.' }),
    partition: Type.Integer(),
    epoch: Type.Integer(),
    primary_node: Node,
    replica_nodes: Type.Array(Node),
  },
  { $id: 'PlacedSpace', description: 'A space and where it lives.' },
);

export const PlacedSpaces = Type.Object({ spaces: Type.Array(ref(PlacedSpace)) }, { $id: 'PlacedSpaces', description: 'Spaces that the node that answers holds, by id.' });

export const Partition = Type.Object(
  {
    id: Type.Integer(),
    epoch: Type.Integer({ description: 'Grows with every change of primary or copies.' }),
    primary: Node,
    replicas: Type.Array(Node),
    provisional: Type.Boolean({ description: 'Promoted without a majority of copies, by the policy `available`.' }),
    rebalancing: Type.Boolean(),
    source_node: Type.Optional(Type.String({ description: 'While rebalancing: who gives its copy up.' })),
    target_node: Type.Optional(Type.String({ description: 'While rebalancing: who is being filled.' })),
  },
  { $id: 'Partition' },
);

export const Partitions = Type.Array(ref(Partition), { $id: 'Partitions', description: 'All partitions, in their order.' });

export const Balance = Type.Object(
  {
    max_imbalance: Type.Number({ description: 'The largest share of copies on a node over the fair one, less 1: 0.2 is a fifth too much.' }),
    imbalance: Type.Number({ description: 'The same.' }),
    primary_imbalance: Type.Number({ description: 'The same of primaries.' }),
    under_replicated: Type.Integer({ description: 'Partitions with fewer copies than the cluster wants.' }),
    nodes: Type.Array(Type.Object({ node: Node, copies: Type.Integer(), primaries: Type.Integer() })),
  },
  { $id: 'Balance', description: 'How evenly copies and primaries are spread.' },
);

export const ReplicationPeer = Type.Object(
  {
    replica_node: Node,
    connected: Type.Boolean(),
    lag_entries: Type.Integer({ description: 'Entries of partitions that the answering node leads, which that node has not acknowledged.' }),
    lag_seconds: Type.Number({ description: 'How long the oldest of them has been waiting.' }),
  },
  { $id: 'ReplicationPeer' },
);

export const ReplicationLag = Type.Array(ref(ReplicationPeer), { $id: 'ReplicationLag', description: 'How far other nodes are behind this one.' });

export const ReplicationStatus = Type.Object(
  {
    state: oneOf(['alone', 'waiting', 'replicating'], '`alone`: the node runs alone. `waiting`: it does not know the map yet.'),
    epoch: Type.Integer({ description: 'Of the map.' }),
    voters: Type.Array(Node),
    steward: Type.Optional(Type.String({ description: 'Who sees to the map at the moment.' })),
    factor: Type.Integer({ description: 'Replicas besides the primary that the cluster wants.' }),
    copies: Type.Integer({ description: 'The same with the primary.' }),
    partitions: Type.Integer(),
    leading: Type.Integer({ description: 'Partitions that this node leads.' }),
    following: Type.Integer({ description: 'Partitions that it holds a copy of.' }),
    under_replicated: Type.Array(Type.Integer(), { description: 'Partitions with fewer copies than the cluster wants.' }),
    unshipped_entries: Type.Integer({ description: 'Entries that this node has as a primary and a majority of copies has not.' }),
    entries_set_aside: Type.Integer({ description: 'Entries of an earlier reign that are being offered to the present primary.' }),
    replicas: Type.Array(ref(ReplicationPeer)),
  },
  { $id: 'ReplicationStatus', description: 'How replication is, as this node sees it.' },
);

export const placementSchemas = [PlacedSpace, PlacedSpaces, Partition, Partitions, Balance, ReplicationPeer, ReplicationLag, ReplicationStatus] as const;
