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
    epoch: Type.Integer({ description: 'Grows with every start of its process.' }),
    incarnation: Type.Integer({ description: 'Grows whenever it refutes a rumour or says something new about itself.' }),
    changed_at: Time('When the node that answers last learned something about it.'),
  },
  { $id: 'ClusterNode', description: 'A node as another one sees it.' },
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
  { type: oneOf(clusterEventTypes, 'What happened.'), at: Time('By the clock of the node that answers.'), node: ref(ClusterNode) },
  { $id: 'ClusterEvent', description: 'The data of an event: what happened to which node. `isolated` and `rejoined` are about the node that answers.' },
);

export const clusterSchemas = [ClusterNode, ClusterMembers, ClusterNodes, ClusterHealth, ClusterEvent] as const;
