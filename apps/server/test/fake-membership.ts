import type { FormationStatus } from '@engram/cluster';
import type { DiscoveryHealth } from '@engram/discovery';
import { parseClusterId, parseNodeId, type NodeId } from '@engram/kernel';
import type { MemberState, SwimMetrics } from '@engram/swim';
import { EventLog, type ClusterEvent, type ClusterEventType, type ClusterNode, type Initialized, type Membership } from '../src/cluster/index.js';

/** A cluster whose nodes are what a test says. The node that answers is `node-1`. */
export class FakeMembership implements Membership {
  readonly mode = 'distributed';
  readonly cluster = 'test';
  readonly events = new EventLog<ClusterEvent>('42', { capacity: 4, readersMax: 2 });
  troubled: string | undefined;
  formed: FormationStatus = { state: 'joined', clusterId: parseClusterId('the-cluster'), reason: '' };
  discovered: DiscoveryHealth | undefined;
  gone: ReadonlySet<NodeId> = new Set();
  #nodes: readonly ClusterNode[] = [nodeIn('node-1', 'alive')];

  /** Other nodes by id and state. */
  set peers(states: Readonly<Record<string, MemberState>>) {
    this.#nodes = [nodeIn('node-1', 'alive'), ...Object.entries(states).map(([id, state]) => nodeIn(id, state))];
  }

  happen(type: ClusterEventType, id: string, state: MemberState): void {
    this.events.append({ type, node: nodeIn(id, state), atMs: Date.parse('2024-05-01T10:00:00Z') });
  }

  nodes(): readonly ClusterNode[] {
    return this.#nodes;
  }

  node(id: string): ClusterNode | undefined {
    return this.#nodes.find((node) => node.id === id);
  }

  removed(): ReadonlySet<NodeId> {
    return this.gone;
  }

  metrics(): SwimMetrics | undefined {
    return undefined;
  }

  trouble(): string | undefined {
    return this.troubled;
  }

  formation(): FormationStatus {
    return this.formed;
  }

  initialize(): Promise<Initialized> {
    const clusterId = parseClusterId('formed-by-hand');
    const created = this.formed.state === 'forming';
    this.formed = { state: 'joined', clusterId, reason: '' };
    return Promise.resolve({ clusterId, created });
  }

  discoveryHealth(): DiscoveryHealth | undefined {
    return this.discovered;
  }

  discoveryMetrics(): undefined {
    return undefined;
  }
}

export function nodeIn(id: string, state: MemberState): ClusterNode {
  return {
    id: parseNodeId(id), state, self: id === 'node-1', address: `${id}:7946`, epoch: 7, incarnation: 2, changedAtMs: Date.parse('2024-05-01T09:00:00Z'),
    services: { http: `${id}:7432`, grpc: `${id}:50051`, version: '1.2.3' },
  };
}
