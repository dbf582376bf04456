/** The shapes of the cluster on the wire. */
import { Type } from 'typebox';
import { clusterEventTypes } from '../cluster/index.js';
import { clusterHealthFields, oneOf, ref, Time } from './schemas.js';

const State = oneOf(['alive', 'suspect', 'dead', 'left'], '`suspect` has not answered lately; `dead` did not deny it in time; `left` said goodbye.');

export const ClusterNode = Type.Object(
  {
    id: Type.String(),
    state: State,
    self: Type.Boolean({ description: 'Whether it is the node that answers.' }),
    address: Type.Optional(Type.String({ description: 'Where SWIM reaches it. A node that runs alone has none.' })),
    http: Type.Optional(Type.String({ description: 'Where it serves HTTP, as it says.' })),
    grpc: Type.Optional(Type.String({ description: 'Where it serves gRPC, as it says.' })),
    version: Type.Optional(Type.String()),
    epoch: Type.Integer({ description: 'Grows with every start of its process; 0 for one of the roster that was not seen since the node that answers started.' }),
    incarnation: Type.Integer({ description: 'Grows whenever it refutes a rumour or says something new about itself.' }),
    changed_at: Time('When the node that answers last learned something about it.'),
  },
  { $id: 'ClusterNode', description: 'A node as another one sees it.' },
);

export const ClusterNodeDetail = Type.Object(
  {
    ...ClusterNode.properties,
    roster: Type.Optional(oneOf(['active', 'draining', 'decommissioning', 'removed'], 'What the map says of it; absent when the map has never had it, or is not known.')),
    primaries: Type.Optional(Type.Integer({ description: 'Partitions that it leads.' })),
    copies: Type.Optional(Type.Integer({ description: 'Partitions that it holds a copy of, those that it leads among them.' })),
    primary_spaces: Type.Array(Type.String(), { description: 'Spaces that it leads, of those that the node that answers knows; the first 1000.' }),
  },
  { $id: 'ClusterNodeDetail', description: 'A node as another one sees it, and what it holds.' },
);

const mode = oneOf(['single', 'distributed'], '`single`: the node runs alone, and answers as a cluster of itself.');

export const ClusterMembers = Type.Object(
  { mode, cluster: Type.Optional(Type.String()), members: Type.Array(ref(ClusterNode), { description: 'The node that answers first, then by id.' }) },
  { $id: 'ClusterMembers', description: 'All members that the node knows of, itself included.' },
);

export const ClusterNodes = Type.Array(ref(ClusterNode), { $id: 'ClusterNodes', description: 'All nodes that the node knows of, itself included: itself first, then by id.' });

export const ClusterHealth = Type.Object(
  { mode, ...clusterHealthFields, nodes: Type.Array(ref(ClusterNode)) },
  { $id: 'ClusterHealth', description: 'How the cluster is, as the node sees it.' },
);

export const ClusterEvent = Type.Object(
  { type: oneOf(clusterEventTypes, 'What happened.'), at: Time('By the clock of the node that answers.'), node: ref(ClusterNode), detail: Type.Optional(Type.String({ description: 'For people.' })) },
  { $id: 'ClusterEvent', description: 'The data of an event: what happened to which node. `isolated`, `rejoined`, `formed` and `foreign-cluster` are about the node that answers.' },
);

export const ClusterInitialized = Type.Object(
  { cluster: Type.String(), cluster_id: Type.String(), created: Type.Boolean({ description: 'False when the node belonged to this cluster already; nothing was changed then.' }) },
  { $id: 'ClusterInitialized', description: 'The cluster that the node belongs to now.' },
);

export const DiscoverySource = Type.Object(
  {
    source: Type.String(),
    state: oneOf(['waiting', 'ok', 'failing'], '`failing`: the last look-up failed; what the source said before still counts.'),
    total: Type.Integer({ description: 'Endpoints in its last answer, this node included.' }),
    reachable: Type.Integer({ description: 'How many of them are members that are alive.' }),
    watching: Type.Boolean({ description: 'Whether changes are pushed to this node as they happen.' }),
    registered: Type.Boolean({ description: 'Whether this node can be found through it.' }),
    last_refresh: Type.Optional(Time('Of the last answer.')),
    next_refresh: Type.Optional(Time('When it is asked next.')),
    last_error: Type.Optional(Type.String()),
    consecutive_failures: Type.Integer(),
    notes: Type.Array(Type.String(), { description: 'What is odd about the last answer.' }),
  },
  { $id: 'DiscoverySource', description: 'A source of discovery, as this node sees it.' },
);

export const DiscoveryHealth = Type.Object(
  {
    status: oneOf(['healthy', 'degraded', 'failing'], 'No source fails, some do, all do. A formed cluster needs none of them.'),
    endpoints: Type.Integer({ description: 'Endpoints that all sources together name, this node left out.' }),
    complete: Type.Boolean({ description: 'Whether every source has answered at least once.' }),
    sources: Type.Array(ref(DiscoverySource)),
  },
  { $id: 'DiscoveryHealth', description: 'Where first peers come from, and whether those places answer.' },
);

export const ConfigValue = Type.Object(
  { key: Type.String(), value: Type.Optional(Type.Any({ description: 'Absent when it is not set; `(secret)` for what nobody is shown.' })), written: Type.String({ description: 'As one would write it in the file.' }), source: Type.String({ description: 'Where it was set.' }) },
  { $id: 'ConfigValue' },
);

export const EffectiveConfig = Type.Object({ values: Type.Array(ref(ConfigValue)) }, { $id: 'EffectiveConfig', description: 'Every value in force on this node and where it comes from. Secrets are left out.' });

export const clusterSchemas = [ClusterNode, ClusterNodeDetail, ClusterMembers, ClusterNodes, ClusterHealth, ClusterEvent, ClusterInitialized, DiscoverySource, DiscoveryHealth, ConfigValue, EffectiveConfig] as const;
