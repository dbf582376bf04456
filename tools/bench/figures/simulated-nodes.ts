/** What the cores of a cluster say to each other, counted in the simulator. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

// The simulation of the cluster is part of its tests, so that it is found by its path.
const simulation = resolve(import.meta.dirname, '../../../packages/cluster/test/sim/cluster-world.ts');

const PARTITIONS = 1_024;

/** What of it is used here. */
interface Effect {
  readonly kind: string;
  readonly bytes?: Uint8Array;
  readonly effect?: { readonly kind: string; readonly bytes?: Uint8Array };
}
interface World {
  readonly everyPartitionLeads: boolean;
  readonly isSettled: boolean;
  readonly map: { readonly table: readonly { readonly primary: string }[] };
  runUntil(until: () => boolean, forMs: number): boolean;
  runFor(ms: number): void;
  process(id: string): unknown;
  append(process: unknown, partition: number, ids: readonly string[], level: string, then: (answer: { readonly kind: string }) => void): number;
}
interface Simulation {
  readonly ClusterWorld: new (options: { seed: number; nodes: number; partitions: number; watch: (process: unknown, effect: Effect) => void }) => World;
}

/** Per node and second. */
interface Said {
  readonly messages: number;
  readonly bytes: number;
}

/** What so many nodes say when nothing happens, and when something is stored now and then. */
export interface SimulatedCost {
  readonly count: number;
  readonly idle: Said;
  readonly light: Said;
}

/** @param storesPerSecond in the whole cluster, at `quorum` @throws Error when the cluster does not form, or a store is not acknowledged */
export async function simulatedNodes(count: number, storesPerSecond: number, forMs: number): Promise<SimulatedCost> {
  const { ClusterWorld } = (await import(pathToFileURL(simulation).href)) as Simulation;
  let [messages, bytes] = [0, 0];
  const said = (sent: Uint8Array | undefined): void => {
    messages += 1;
    bytes += sent?.length ?? 0;
  };
  const cluster = new ClusterWorld({
    seed: 1, nodes: count, partitions: PARTITIONS,
    watch: (_process, effect) => {
      if (effect.kind === 'send-control') said(effect.bytes);
      else if (effect.kind === 'replication' && effect.effect?.kind === 'send') said(effect.effect.bytes);
    },
  });
  if (!cluster.runUntil(() => cluster.everyPartitionLeads && cluster.isSettled, 60_000)) throw new Error(`${count} simulated nodes form no cluster within a minute`);
  // Balance begins once it has been calm for a while; it is not what is measured.
  cluster.runFor(15_000);
  const measured = (work: () => void): Said => {
    [messages, bytes] = [0, 0];
    work();
    const seconds = forMs / 1_000;
    return { messages: messages / count / seconds, bytes: bytes / count / seconds };
  };
  const idle = measured(() => cluster.runFor(forMs));
  let acknowledged = 0;
  const stores = Math.floor((forMs / 1_000) * storesPerSecond);
  const light = measured(() => {
    for (let store = 0; store < stores; store += 1) {
      const partition = (store * 7) % PARTITIONS;
      cluster.append(cluster.process(cluster.map.table[partition]!.primary), partition, [`store-${store}`.padEnd(256, '.')], 'quorum', ({ kind }) => (acknowledged += kind === 'acknowledged' ? 1 : 0));
      cluster.runFor(forMs / stores);
    }
  });
  cluster.runFor(1_000);
  if (acknowledged !== stores) throw new Error(`${acknowledged} of ${stores} simulated stores were acknowledged`);
  return { count, idle, light };
}
