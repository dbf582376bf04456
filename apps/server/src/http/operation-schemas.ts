/** The shapes of what operators ask for. */
import { factorMax } from '@engram/placement';
import { defaultReplicationOptions } from '@engram/replication/core';
import { Type } from 'typebox';
import { oneOf } from './schemas.js';

const strategies = ['random', 'rack_aware', 'zone_aware'] as const;
const Node = Type.String({ description: 'A node id.' });
const BlockedBy = Type.Array(Type.String(), { description: 'What keeps it from going on, in sentences.' });
const Seconds = (description: string) => Type.Optional(Type.Number({ minimum: 0, description }));

export const NodeDuties = Type.Object(
  {
    node: Node,
    status: oneOf(['active', 'draining', 'drained', 'done'], '`draining`: it leads partitions still, or, to be decommissioned, holds copies. `drained`: it leads none. `done`: it was decommissioned and has left the roster.'),
    state: oneOf(['active', 'draining', 'decommissioning', 'removed'], 'What the map says of it.'),
    primaries: Type.Integer({ description: 'Partitions that it leads.' }),
    copies: Type.Integer({ description: 'Partitions that it holds a copy of, those that it leads among them.' }),
    votes: Type.Boolean({ description: 'Whether it is one of those who agree on the map.' }),
    in_flight_operations: Type.Optional(Type.Integer({ description: 'Writes that it has taken and not answered. Only when the node itself is asked.' })),
    entries_set_aside: Type.Optional(Type.Integer({ description: 'Entries that only it has and offers to the primaries of today; it stays in the roster until there are none. Only when the node itself is asked.' })),
    moved: Type.Integer({ description: 'Copies and primaries that have moved in the whole cluster since these moves began, as the node that answers saw it.' }),
    eta_seconds: Seconds('At the present rate; absent when nothing moves.'),
    blocked_by: BlockedBy,
  },
  { $id: 'NodeDuties', description: 'What a node has still to do with the cluster.' },
);

const Move = Type.Object({ partition: Type.Integer(), from: Type.Optional(Node), to: Node });

export const RebalanceStatus = Type.Object(
  {
    state: oneOf(['complete', 'in_progress', 'paused', 'stuck'], '`stuck`: something is in the way, or copies are being filled and for a minute none was done.'),
    partitions_moved: Type.Integer({ description: 'Copies and primaries that have moved since these moves began, as the node that answers saw it.' }),
    partitions_remaining: Type.Integer({ description: 'Copies and primaries that are to move still.' }),
    under_way: Type.Integer({ description: 'Copies that are being filled.' }),
    recent_failures: Type.Integer({ description: 'Copies that were given up on the way since these moves began; they are planned anew.' }),
    moves_per_second: Type.Optional(Type.Number()),
    eta_seconds: Seconds('At the present rate; absent when nothing moves.'),
    imbalance: Type.Number({ description: 'Of copies, now: the largest share over the fair one, less 1.' }),
    imbalance_planned: Type.Number({ description: 'The same once everything has moved.' }),
    imbalance_floor: Type.Number({ description: 'What no plan can go below: partitions are whole.' }),
    blocked_by: BlockedBy,
  },
  { $id: 'RebalanceStatus', description: 'How far copies and primaries are from where they belong.' },
);

export const RebalanceStarted = Type.Object(
  {
    status: oneOf(['rebalancing', 'complete'], '`complete`: everything is where it belongs.'),
    already_running: Type.Boolean({ description: 'Copies were being filled when it was asked for.' }),
    moves: Type.Integer({ description: 'Copies and primaries that are to move.' }),
    estimated_duration_seconds: Type.Number({ description: 'As many moves at once as are allowed, one second each; large partitions take longer.' }),
  },
  { $id: 'RebalanceStarted', description: 'What moves from here on.' },
);

export const RebalancePlan = Type.Object(
  {
    status: Type.Literal('dry_run'),
    copies: Type.Array(Move, { description: 'Copies that would travel; without `from` one would be added. The first 1000.' }),
    primaries: Type.Array(Move, { description: 'Primaries that would change, without data travelling. The first 1000.' }),
    copies_total: Type.Integer(),
    primaries_total: Type.Integer(),
    imbalance: Type.Number(),
    imbalance_planned: Type.Number(),
    imbalance_floor: Type.Number(),
    under_replicated: Type.Integer({ description: 'Partitions that would still have fewer copies than wanted, because there are too few nodes.' }),
  },
  { $id: 'RebalancePlan', description: 'What would be moved. Nothing was changed.' },
);

export const MovesPaused = Type.Object({ status: oneOf(['paused', 'resumed'], 'Whether anything is sent on its way.'), changed: Type.Boolean({ description: 'False when it was so already.' }) }, { $id: 'MovesPaused', description: 'Whether moves go on, in the whole cluster.' });

export const RepairStarted = Type.Object(
  {
    status: oneOf(['repairing', 'nothing_to_repair'], 'What is missing is filled from the primaries.'),
    partitions_affected: Type.Integer({ description: 'Partitions with fewer copies than there should be.' }),
    spaces_affected: Type.Integer({ description: 'Spaces that this node knows in those partitions.' }),
    blocked_by: BlockedBy,
  },
  { $id: 'RepairStarted', description: 'What is missing, and what is in the way.' },
);

export const ReplicationConfig = Type.Object(
  {
    factor: Type.Integer({ description: 'Replicas besides the primary, in the whole cluster.' }),
    copies: Type.Integer({ description: 'The same with the primary.' }),
    ack: oneOf(['local', 'replica', 'quorum', 'all'], 'What a write waits for unless it or its space says otherwise, in the whole cluster.'),
    partition_policy: oneOf(['majority', 'available'], 'Whether a copy takes over when a majority of them cannot be reached, in the whole cluster.'),
    strategy: oneOf(strategies, 'What copies are kept apart by, in the whole cluster.'),
    batch_size: Type.Integer({ description: 'Entries in one message to a replica: of this node, until it is started again.' }),
  },
  { $id: 'ReplicationConfig', description: 'How this cluster replicates.' },
);

export const ReplicationConfigPatch = Type.Object(
  {
    factor: Type.Optional(Type.Integer({ minimum: 0, maximum: factorMax })),
    ack: Type.Optional(oneOf(['local', 'replica', 'quorum', 'all'], 'For the whole cluster.')),
    partition_policy: Type.Optional(oneOf(['majority', 'available'], 'For the whole cluster.')),
    strategy: Type.Optional(oneOf(strategies, 'For the whole cluster. Copies move until they stand so.')),
    batch_size: Type.Optional(Type.Integer({ minimum: 1, maximum: defaultReplicationOptions.windowEntries, description: 'Of this node only, until it is started again.' })),
  },
  { $id: 'ReplicationConfigPatch', additionalProperties: false, minProperties: 1, description: 'What is to be different; the rest stays.' },
);

export const PromoteReplica = Type.Object(
  {
    node: Type.Optional(Type.String({ description: 'The replica to lead; without it the one that has come furthest.' })),
    new_replica_node: Type.Optional(Type.String({ description: 'The same under its other name.' })),
  },
  { $id: 'PromoteReplica', additionalProperties: false, description: 'Which copy is to lead.' },
);

export const PromotionStarted = Type.Object(
  {
    status: oneOf(['promoting', 'unchanged'], '`unchanged`: it leads already.'),
    space_id: Type.String(),
    partition: Type.Integer({ description: 'All spaces of this partition change their primary together.' }),
    primary_node: Type.String({ description: 'At the time of asking.' }),
  },
  { $id: 'PromotionStarted', description: 'What was asked of the present primary.' },
);

export const operationSchemas = [NodeDuties, RebalanceStatus, RebalanceStarted, RebalancePlan, MovesPaused, RepairStarted, ReplicationConfig, ReplicationConfigPatch, PromoteReplica, PromotionStarted] as const;
