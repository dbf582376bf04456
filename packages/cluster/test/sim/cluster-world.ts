import { parseNodeId, utf8Encode, type NodeId } from '@engram/kernel';
import { SimWorld, type SimNode, type SimWorldOptions } from '@engram/kernel/sim';
import { copiesOf, type ClusterMap } from '@engram/placement/core';
import type { AckLevel, ReplicationEffect, ReplicationOptions } from '@engram/replication/core';
import type { ClusterEffect, Verb, VerbAnswer } from '../../src/core/index.js';
import { votersWanted } from '../../src/core/steward.js';
import type { DiskHabits } from './sim-disk.js';
import { ClusterProcess, type ProcessDefects, type ProcessSetting } from './sim-process.js';

export interface ClusterWorldOptions {
  readonly seed: number | string;
  readonly nodes: number;
  /** Nodes that are there but are not started by the world. */
  readonly spare?: number;
  readonly partitions?: number;
  readonly factor?: number;
  readonly policy?: 'majority' | 'available';
  readonly calmMs?: number;
  readonly disk?: Partial<DiskHabits>;
  readonly world?: Partial<SimWorldOptions>;
  readonly replication?: ReplicationOptions;
  readonly defects?: ProcessDefects;
  readonly watch?: (process: ClusterProcess, effect: ClusterEffect) => void;
  readonly accepted?: (process: ClusterProcess, bytes: Uint8Array) => void;
  readonly appliedAgain?: (process: ClusterProcess, id: string) => unknown;
}

export type Answer = Extract<ReplicationEffect, { kind: 'acknowledged' | 'indeterminate' | 'refused' }>;

/** Nodes that form a cluster, and a client that talks to whichever node it likes. */
export class ClusterWorld {
  readonly world: SimWorld;
  readonly nodes: SimNode<ClusterProcess>[] = [];
  readonly #options: ClusterWorldOptions;
  readonly #ids: readonly NodeId[];
  readonly #waiting = new Map<number, (answer: Answer, by: ClusterProcess) => void>();
  readonly #verbs = new Map<number, (answer: VerbAnswer) => void>();
  #lastRequest = 0;

  constructor(options: ClusterWorldOptions) {
    this.#options = options;
    this.world = new SimWorld({ ...options.world, seed: options.seed });
    const count = options.nodes + (options.spare ?? 0);
    this.#ids = Array.from({ length: count }, (_, i) => parseNodeId(`n${i + 1}`));
    for (let i = 0; i < options.nodes; i++) this.#add(options.nodes, 1 + this.world.random('starts').below(1_000));
  }

  /** Starts the next of the spare nodes. */
  join(): void {
    if (this.nodes.length < this.#ids.length) this.#add(undefined, this.world.nowMs);
  }

  #add(expect: number | undefined, startAtMs: number): void {
    const id = this.#ids[this.nodes.length] as NodeId;
    const setting = this.#setting(this.#ids.filter((other) => other !== id), expect);
    this.nodes.push(this.world.addNode(id, (env) => new ClusterProcess(env, setting), { startAtMs, storageBytesMax: 512 * 1024 * 1024 }));
  }

  get alive(): readonly ClusterProcess[] {
    return this.nodes.flatMap(({ process, paused }) => (process && !paused ? [process] : []));
  }

  process(id: NodeId): ClusterProcess | undefined {
    const node = this.world.node<ClusterProcess>(id);
    return node.paused ? undefined : node.process;
  }

  /** The newest map that anybody knows. */
  get map(): ClusterMap | undefined {
    return this.alive.map(({ node }) => node.map).reduce((a, b) => (b && (!a || b.epoch > a.epoch) ? b : a), undefined);
  }

  /** Whether the primary that the newest map names would take a write. */
  leads(partition: number): boolean {
    const placement = this.map?.table[partition];
    const process = placement && this.process(placement.primary);
    return process?.node.leads(partition, process.now) === true;
  }

  get everyPartitionLeads(): boolean {
    return this.map !== undefined && this.map.table.every((_, partition) => this.leads(partition));
  }

  /** Every copy of every partition stands where its primary stands, and has nothing set aside. */
  get isLevel(): boolean {
    const map = this.map;
    return map !== undefined && map.table.every((placement, partition) => {
      const states = copiesOf(placement).map((id) => this.process(id)?.node.partition(partition));
      const [first] = states;
      return first !== undefined && states.every((state) => state !== undefined && state.epoch === placement.epoch && state.position.seq === first.position.seq && state.position.epoch === first.position.epoch && state.entriesSetAside === 0);
    });
  }

  /** Everything is where it belongs: as many copies as the policy wants, on disks that exist, and nothing on its way. */
  get isSettled(): boolean {
    const map = this.map;
    if (!map) return false;
    const disks = new Map(this.alive.map(({ id, disk }) => [id, disk.storageId]));
    const isHere = ({ id, storageId }: { readonly id: NodeId; readonly storageId: string }): boolean => disks.get(id) === storageId;
    const copies = Math.min(map.policies.factor + 1, map.roster.length);
    const members = this.nodes.filter(({ id }) => !map.removed?.some((removed) => removed.id === id) || map.roster.some((node) => node.id === id));
    if (map.roster.some(({ state }) => state === 'decommissioning')) return false;
    return map.roster.length === members.length && map.roster.every(isHere) && map.voters.every(isHere) && map.voters.length === votersWanted(map.roster.length) && map.table.every((placement) => !placement.moving && copiesOf(placement).length === copies);
  }

  runUntil(until: () => boolean, forMs: number): boolean {
    let found = until();
    // Looking costs more than most events do, so it is done once a millisecond.
    let lookedMs = this.world.nowMs;
    const look = (): boolean => {
      if (this.world.nowMs - lookedMs < 1) return false;
      lookedMs = this.world.nowMs;
      return (found = until());
    };
    if (!found) this.world.run({ untilMs: this.world.nowMs + forMs, until: look });
    return found;
  }

  runFor(ms: number): void {
    this.world.run({ untilMs: this.world.nowMs + ms });
  }

  append(process: ClusterProcess, partition: number, ids: readonly string[], level: AckLevel, then: (answer: Answer, by: ClusterProcess) => void): number {
    const request = ++this.#lastRequest;
    this.#waiting.set(request, then);
    process.replicate({ kind: 'append', request, partition, level, entries: ids.map((id) => ({ hlc: process.stamp(), payload: utf8Encode(id) })) });
    return request;
  }

  /** Writes through the primary of the newest map and runs until there is an answer; undefined when nobody could be asked. */
  write(partition: number, id: string, level: AckLevel, waitMs = 2_000): Answer | undefined {
    const placement = this.map?.table[partition];
    const process = placement && this.process(placement.primary);
    if (!process) return undefined;
    let answer: Answer | undefined;
    this.append(process, partition, [id], level, (got) => (answer = got));
    this.runUntil(() => answer !== undefined, waitMs);
    return answer;
  }

  /** Asks one node and runs until it has answered; undefined when it has not. */
  ask(process: ClusterProcess, verb: Verb, waitMs = 12_000): VerbAnswer | undefined {
    let answer: VerbAnswer | undefined;
    this.askLater(process, verb, (got) => (answer = got));
    this.runUntil(() => answer !== undefined, waitMs);
    return answer;
  }

  askLater(process: ClusterProcess, verb: Verb, then: (answer: VerbAnswer) => void): void {
    const request = ++this.#lastRequest;
    this.#verbs.set(request, then);
    process.ask(request, verb);
  }

  #setting(others: readonly NodeId[], expect: number | undefined): ProcessSetting {
    const { nodes, partitions = 8, factor = 2, policy = 'majority', calmMs, disk, replication, defects, accepted, appliedAgain, watch } = this.#options;
    return {
      others, expect,
      node: { founding: { partitions, factor, ack: 'quorum', partition: policy, strategy: 'zone_aware', expect: nodes }, ...(replication && { replication }), ...(calmMs !== undefined && { calmMs }) },
      disk: { syncMs: 2, keepEntries: Infinity, ...disk },
      ...(defects && { defects }),
      ...(appliedAgain && { appliedAgain }),
      ...(accepted && { accepted }),
      watch: (process, effect) => {
        watch?.(process, effect);
        if (effect.kind === 'replication') this.#answered(process, effect.effect);
        if (effect.kind === 'verb-answered') {
          this.#verbs.get(effect.request)?.(effect.answer);
          this.#verbs.delete(effect.request);
        }
      },
    };
  }

  #answered(by: ClusterProcess, effect: ReplicationEffect): void {
    if (effect.kind !== 'acknowledged' && effect.kind !== 'indeterminate' && effect.kind !== 'refused') return;
    const then = this.#waiting.get(effect.request);
    this.#waiting.delete(effect.request);
    then?.(effect, by);
  }
}
