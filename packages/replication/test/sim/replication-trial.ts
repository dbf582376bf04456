import { parseNodeId, type NodeId, type Random } from '@engram/kernel';
import { SimWorld, type SimNode } from '@engram/kernel/sim';
import { defaultReplicationOptions, holdersOf, type AckLevel, type PartitionEntry, type ReplicationEffect, type ReplicationOptions } from '../../src/core/index.js';
import { operationId, SimReplica, type Machine, type Watch } from './sim-replica.js';
import { TableAuthority, type AuthorityDefects } from './table-authority.js';

export interface Defects extends AuthorityDefects {
  readonly earlyDurable?: boolean;
  readonly ignoreLease?: boolean;
  readonly ignoreChecksum?: boolean;
}

export interface TrialOptions {
  readonly seed: number | string;
  readonly defects?: Defects;
  readonly forMs?: number;
  /** Keeps the last so many lines of what happened. */
  readonly transcript?: number;
}

export interface TrialReport {
  readonly seed: string;
  readonly violations: readonly string[];
  readonly facts: Readonly<Record<string, number | string>>;
  readonly lines: readonly string[];
  readonly hash: string;
}

interface Write {
  readonly id: string;
  readonly partition: number;
  readonly level: AckLevel;
  outcome: 'open' | 'acknowledged' | 'indeterminate' | 'refused';
}

const levels: readonly AckLevel[] = ['local', 'replica', 'quorum', 'quorum', 'quorum', 'all'];
const healMs = 20_000;

/** One cluster under faults from a seed, then healed, then looked at. All that is promised is checked here. */
export class ReplicationTrial {
  readonly #world: SimWorld;
  readonly #random: Random;
  readonly #forMs: number;
  readonly #violations = new Set<string>();
  readonly #writes = new Map<number, Write>();
  readonly #byId = new Map<string, Write>();
  readonly #waits = new Map<number, { readonly id: string; readonly partition: number }>();
  readonly #leaders = new Map<string, NodeId>();
  readonly #retired = new Set<NodeId>();
  readonly #tokens = new Map<string, string>();
  readonly #counts = new Map<string, number>();
  readonly #nodes: SimNode<SimReplica>[] = [];
  readonly #authority: TableAuthority;
  readonly #options: ReplicationOptions;
  readonly #moves: boolean;
  readonly #trims: boolean;
  readonly #flaky: boolean;
  #disksLost = 0;
  #lastRequest = 0;

  constructor({ seed, defects = {}, forMs = 12_000, transcript = 0 }: TrialOptions) {
    this.#world = new SimWorld({ seed, ...(transcript > 0 && { transcript: { linesMax: transcript, kinds: ['life', 'fault', 'trace'] as const } }) });
    this.#random = this.#world.random('trial');
    this.#forMs = forMs;
    const random = this.#random;
    const size = random.chance(0.5) ? 3 : 5;
    this.#moves = size === 5 && random.chance(0.5);
    this.#trims = random.chance(0.5);
    this.#flaky = random.chance(0.5);
    // Small bounds, so that every way of serving a copy is taken, and every bound met.
    this.#options = random.chance(0.3)
      ? {}
      : { batchEntries: 1 + random.below(20), batchBytes: 2_000, windowEntries: 20 + random.below(30), windowBytes: 4_000, ringEntries: 5 + random.below(60), ringBytes: 20_000, appendEntries: 1 + random.below(30), snapshotChunkBytes: 200, snapshotBytesPerSecond: 20_000, heartbeatMs: 100 + random.below(400), peerTimeoutMs: 1_000, ackTimeoutMs: 300 + random.below(700) };
    const machine: Machine = {
      options: this.#options,
      diskMs: random.pick([0.5, 2, 20]),
      corrupt: random.chance(0.5) || defects.ignoreChecksum === true ? 0.02 : 0,
      full: random.chance(0.2) ? 0.02 : 0,
      keepEntries: this.#trims ? 20 + random.below(100) : Infinity,
      ...(defects.earlyDurable === true && { earlyDurable: true }),
      ...(defects.ignoreChecksum === true && { checksum: () => 0 }),
    };
    const watch: Watch = { effect: (node, process, effect) => this.#effect(node, process, effect), violation: (what) => this.#violation(what), appliedAgain: (node, id) => this.#appliedAgain(node, id) };
    const storageBytesMax = 256 * 1024 * 1024;
    for (let i = 1; i <= size; i++) this.#nodes.push(this.#world.addNode(`n${i}`, (env) => new SimReplica(env, machine, watch), { storageBytesMax }));
    if (this.#flaky) this.#world.network.configure('*', '*', { streamReset: 0.002, streamRefuse: 0.05, streamHang: 0.02, loss: 0.02 });
    const copies = this.#moves ? 3 : size;
    const entries = [0, 1].map((partition): PartitionEntry => {
      const holders = random.shuffle(this.#nodes).slice(0, copies).map((node) => ({ node: parseNodeId(node.id), storage: node.process!.storageId }));
      return { partition, epoch: 1, primary: holders[0]!.node, copies: holders };
    });
    this.#authority = new TableAuthority(this.#world, this.#nodes, entries, defects);
    if (defects.ignoreLease === true) for (const node of this.#nodes) this.#leaseForEver(node);
  }

  run(): TrialReport {
    this.#workload();
    this.#nemesis();
    this.#watchBounds();
    const failure = this.#attempt(() => {
      this.#world.run({ untilMs: this.#forMs });
      this.#heal();
      this.#world.run({ untilMs: this.#forMs + healMs, until: () => this.#world.nowMs > this.#forMs + 3_000 && this.#quiet() });
    });
    if (failure === undefined) this.#judge();
    const writes = [...this.#writes.values()];
    const acknowledged = writes.filter(({ outcome }) => outcome === 'acknowledged').length;
    return {
      seed: this.#world.seed, violations: [...this.#violations], hash: this.#world.hash(), lines: this.#world.transcript.lines(),
      facts: { nodes: this.#nodes.length, writes: writes.length, acknowledged, promotions: this.#authority.promotions, moves: this.#authority.moves, disksLost: this.#disksLost, events: this.#world.events, ...Object.fromEntries(this.#counts), ...Object.fromEntries(this.#world.sometimes) },
    };
  }

  #attempt(run: () => void): unknown {
    try {
      run();
      return undefined;
    } catch (error) {
      const cause = (error as { cause?: unknown }).cause as Error | undefined;
      this.#violation(`stopped: ${(error as Error).message}${cause instanceof Error ? ` (${cause.message} ${JSON.stringify((cause as { details?: object }).details ?? {})} ${cause.stack?.split('\n').slice(1, 6).join(' ')})` : ''}`);
      return error;
    }
  }

  #violation(what: string): void {
    if (this.#violations.size < 20) this.#violations.add(`${Math.round(this.#world.nowMs)} ms: ${what}`);
  }

  #count(what: string, by = 1): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + by);
  }

  #workload(): void {
    const step = (): void => {
      if (this.#world.nowMs > this.#forMs) return;
      const partition = this.#random.below(2);
      const primary = this.#authority.table.get(partition)!.primary;
      // Mostly whom the table names; sometimes anyone, as a client with an old table would.
      const node = this.#random.chance(0.85) ? this.#world.node<SimReplica>(primary) : this.#random.pick(this.#nodes);
      if (node.process !== undefined && !node.paused) this.#write(node.process, partition, this.#random.chance(0.1));
      this.#world.at(this.#world.nowMs + 1 + this.#random.below(20), step);
    };
    this.#world.at(300, step);
  }

  #write(process: SimReplica, partition: number, again: boolean): void {
    const request = ++this.#lastRequest;
    const level = this.#random.pick(levels);
    const many = this.#random.chance(0.1) ? 1 + this.#random.below(30) : 1;
    const entries = Array.from({ length: many }, (_, index) => `${request}.${index}`);
    for (const id of entries) this.#byId.set(id, { id, partition, level, outcome: 'open' });
    this.#writes.set(request, this.#byId.get(entries.at(-1)!)!);
    if (again) {
      const known = [...(process.store.get(partition) ?? [])].at(-1);
      if (known !== undefined) {
        const earlier = { id: known, partition, level, outcome: 'open' as const };
        this.#writes.set(request, earlier);
        for (const id of entries) this.#byId.delete(id);
        return process.driver.dispatch({ kind: 'confirm', request, partition, level });
      }
    }
    process.driver.dispatch({ kind: 'append', request, partition, level, entries: entries.map((id) => ({ hlc: process.stamp(), payload: new TextEncoder().encode(id) })) });
  }

  #effect(node: NodeId, process: SimReplica, effect: ReplicationEffect): void {
    this.#authority?.heard(node, effect);
    switch (effect.kind) {
      case 'acknowledged':  return this.#acknowledged(node, process, effect);
      case 'indeterminate': return this.#settled(effect.request, 'indeterminate');
      case 'refused':       return this.#settled(effect.request, 'refused');
      case 'fresh': {
        const wait = this.#waits.get(effect.request)!;
        this.#count('fresh');
        if (process.store.get(wait.partition)?.has(wait.id) !== true) this.#violation(`${node} calls itself fresh without ${wait.id}`);
        return;
      }
      case 'stale': case 'tail-taken-up': case 'open-snapshot': case 'corrupt-entry': case 'lag-high': case 'superseded': case 'cannot-lead': case 'learner-ready':
        return this.#note(node, effect);
      case 'tail-set-aside': {
        const holders = holdersOf(this.#authority.table.get(effect.partition)!);
        if (!holders.some((holder) => holder.node === node)) this.#retired.add(node);
        return this.#note(node, effect);
      }
      case 'leading': case 'stepped-down': return this.#note(node, effect);
    }
  }

  /** A node that left and came back is shipped anew what it could not know to be committed; all others apply everything once. */
  #appliedAgain(node: NodeId, id: string): void {
    if (!this.#retired.has(node)) this.#violation(`${node} applied ${id} twice`);
  }

  #note(node: NodeId, effect: ReplicationEffect): void {
    this.#count(effect.kind);
    if (this.#world.transcript.wants('trace', node)) this.#world.transcript.note(this.#world.now, node, JSON.stringify(effect));
  }

  #acknowledged(node: NodeId, process: SimReplica, { request, token, durability }: Extract<ReplicationEffect, { kind: 'acknowledged' }>): void {
    this.#settled(request, 'acknowledged');
    const write = this.#writes.get(request)!;
    const reign = `${token.partition}/${process.core.partition(token.partition)!.epoch}`;
    const leader = this.#leaders.get(reign) ?? node;
    this.#leaders.set(reign, leader);
    if (leader !== node) this.#violation(`${leader} and ${node} both acknowledge in partition/epoch ${reign}`);
    if ((this.#authority.leaseUntilMs.get(node) ?? 0) < this.#world.nowMs) this.#violation(`${node} acknowledges ${write.id} without a lease`);
    if (durability.reached === undefined) this.#violation(`${write.id} is acknowledged with nothing reached`);
    const place = `${token.partition}/${token.epoch}/${token.seq}`;
    const other = this.#tokens.get(place);
    // A confirmation names the end of the log, which another write stands at.
    const isAppend = write.id.startsWith(`${request}.`);
    if (isAppend && other !== undefined && other !== write.id) this.#violation(`${other} and ${write.id} share the place ${place}`);
    if (isAppend) this.#tokens.set(place, write.id);
    if (isAppend && this.#random.chance(0.2)) this.#readOwnWrite(write, token);
  }

  #readOwnWrite(write: Write, token: { readonly partition: number; readonly epoch: number; readonly seq: number }): void {
    const holder = this.#random.pick(holdersOf(this.#authority.table.get(write.partition)!));
    const node = this.#world.node<SimReplica>(holder.node);
    const request = ++this.#lastRequest;
    this.#waits.set(request, { id: write.id, partition: write.partition });
    const waitMs = this.#random.below(500);
    this.#world.at(this.#world.nowMs + 1, () => {
      if (node.process !== undefined && !node.paused) node.process.driver.dispatch({ kind: 'await-position', request, token, waitMs });
    });
  }

  #settled(request: number, outcome: Write['outcome']): void {
    const write = this.#writes.get(request);
    if (write === undefined) return;
    if (write.outcome !== 'open') this.#violation(`${write.id} is answered twice: ${write.outcome}, then ${outcome}`);
    write.outcome = outcome;
    this.#count(`${outcome}`);
  }

  #nemesis(): void {
    const lostMax = Math.floor((this.#moves ? 2 : this.#nodes.length - 1) / 2);
    const mayLose = this.#random.chance(0.5);
    const step = (): void => {
      if (this.#world.nowMs > this.#forMs - 500) return;
      const node = this.#random.pick(this.#nodes);
      const forMs = 100 + this.#random.below(2_500);
      switch (this.#random.below(6)) {
        case 0: case 1: {
          node.kill(this.#random.chance(0.5) ? 'power' : 'process');
          const lost = mayLose && this.#disksLost < lostMax && this.#random.chance(0.3);
          if (lost) this.#disksLost++;
          this.#world.at(this.#world.nowMs + forMs, () => !node.alive && node.restart({ storage: lost ? 'lost' : 'kept' }));
          break;
        }
        case 2: node.pause(forMs); break;
        case 3: {
          const shuffled = this.#random.shuffle(this.#nodes.map(({ id }) => id));
          const cut = 1 + this.#random.below(shuffled.length - 1);
          const groups = [shuffled.slice(0, cut), shuffled.slice(cut)];
          this.#world.network.partition(groups);
          this.#authority.cutOff.clear();
          for (const id of groups[this.#random.below(2)]!) this.#authority.cutOff.add(id);
          this.#world.at(this.#world.nowMs + forMs, () => this.#healNetwork());
          break;
        }
        case 4:
          // The node keeps its peers and loses the authority: the zombie that only its lease stops.
          this.#authority.cutOff.add(node.id);
          this.#world.at(this.#world.nowMs + forMs, () => this.#authority.cutOff.delete(node.id));
          break;
        case 5:
          if (this.#random.chance(0.2)) {
            // The lights go out everywhere: whoever said durable had better meant it.
            for (const one of this.#nodes) one.kill('power');
            this.#world.at(this.#world.nowMs + forMs, () => this.#nodes.forEach((one) => !one.alive && one.restart()));
          } else if (this.#moves) this.#authority.beginMove();
          else this.#world.network.disturb('*', node.id, { delay: { minMs: 1, medianMs: 30, p99Ms: 300, maxMs: 800 }, streamReset: 0.05 });
          break;
      }
      this.#world.at(this.#world.nowMs + 200 + this.#random.below(1_500), step);
    };
    this.#world.at(1_000, step);
  }

  #healNetwork(): void {
    this.#world.network.heal();
    this.#authority.cutOff.clear();
  }

  #heal(): void {
    this.#healNetwork();
    this.#world.network.configure('*', '*', { streamReset: 0, streamRefuse: 0, streamHang: 0, loss: 0 });
    for (const node of this.#nodes) if (!node.alive) node.restart();
  }

  #leaseForEver(node: SimNode<SimReplica>): void {
    const renew = (): void => {
      if (node.process !== undefined && !node.paused) node.process.driver.dispatch({ kind: 'lease', validUntil: (node.process.now + 10_000_000_000) as never });
      this.#world.at(this.#world.nowMs + 50, renew);
    };
    renew();
  }

  #watchBounds(): void {
    const bounds = { ...defaultReplicationOptions, ...this.#options };
    const largestEntry = 120;
    const check = (): void => {
      for (const { process, paused } of this.#nodes) {
        if (process === undefined || paused) continue;
        const { held, peers } = process.core.status(process.now);
        if (held.recentEntries > bounds.ringEntries || held.recentBytes > bounds.ringBytes) this.#violation(`the ring holds ${held.recentEntries} entries, ${held.recentBytes} bytes`);
        if (held.pending > bounds.pendingMax || held.waiters > bounds.waitersMax) this.#violation('more waits than allowed');
        const queueMax = this.#nodes.length * (3 * (bounds.windowBytes + bounds.batchBytes) + 65_536);
        if (process.queuedBytes > queueMax) this.#violation(`${process.queuedBytes} bytes wait for slow connections`);
        for (const peer of peers) {
          if (peer.inFlightEntries > bounds.windowEntries || peer.inFlightBytes > bounds.windowBytes + bounds.batchBytes + largestEntry) this.#violation(`${peer.inFlightEntries} entries, ${peer.inFlightBytes} bytes are on their way to ${peer.peer}`);
        }
      }
      this.#world.at(this.#world.nowMs + 50, check);
    };
    check();
  }

  /** Every copy of every partition stands at one place, nothing is set aside, and no move is half done. */
  #quiet(): boolean {
    for (const entry of this.#authority.table.values()) {
      if (entry.next !== undefined || entry.learners !== undefined) return false;
      const states = entry.copies.map(({ node, storage }) => ({ process: this.#world.node<SimReplica>(node).process, storage }));
      const first = states[0]!.process?.core.partition(entry.partition)?.position;
      for (const { process, storage } of states) {
        const status = process?.core.partition(entry.partition);
        if (process === undefined || status === undefined || first === undefined || process.storageId !== storage) return false;
        if (status.epoch !== entry.epoch || status.position.seq !== first.seq || status.position.epoch !== first.epoch || status.entriesSetAside > 0) return false;
      }
    }
    return this.#nodes.every(({ process }) => process?.core.status(process.now).partitions.every(({ entriesSetAside }) => entriesSetAside === 0) === true);
  }

  #judge(): void {
    if (!this.#quiet()) this.#violation(`not quiet ${healMs} ms after healing: ${[...this.#authority.table.values()].map((entry) => this.#described(entry)).join(' | ')}`);
    for (const entry of this.#authority.table.values()) {
      const stores = entry.copies.map(({ node }) => ({ node, ids: this.#world.node<SimReplica>(node).process?.store.get(entry.partition) ?? new Set<string>() }));
      for (const { node, ids } of stores) {
        for (const id of ids) if (!this.#byId.has(id)) this.#violation(`${node} holds ${id}, which nobody wrote`);
        const missing = [...stores[0]!.ids].filter((id) => !ids.has(id) && this.#mustAgree(id));
        const extra = [...ids].filter((id) => !stores[0]!.ids.has(id) && this.#mustAgree(id));
        if (missing.length + extra.length > 0) this.#violation(`${node} and ${stores[0]!.node} differ in partition ${entry.partition}: ${missing.length} missing (${missing.slice(0, 3).join()}), ${extra.length} more (${extra.slice(0, 3).join()})`);
      }
      for (const write of this.#writes.values()) {
        if (write.partition !== entry.partition || write.outcome !== 'acknowledged') continue;
        const promised = this.#disksLost === 0 || write.level === 'quorum' || write.level === 'all';
        if (promised && !stores.every(({ ids }) => ids.has(write.id))) this.#violation(`${write.id}, acknowledged at ${write.level}, is lost`);
      }
      if (!this.#trims) this.#judgeLog(entry);
    }
  }

  /**
   * A snapshot carries what its sender has applied, also what no quorum has yet. When that sender's disk is lost then,
   * such a write may live on in one copy's store alone, until anti-entropy, which is not here, spreads it.
   */
  #mustAgree(id: string): boolean {
    const write = this.#byId.get(id);
    return this.#disksLost === 0 || (write?.outcome === 'acknowledged' && (write.level === 'quorum' || write.level === 'all'));
  }

  #described(entry: PartitionEntry): string {
    const sets = (['copies', 'next', 'learners'] as const).map((set) => `${set} ${entry[set]?.map(({ node, storage }) => `${node}:${storage}`).join() ?? '-'}`).join(' ');
    const states = this.#nodes.map(({ id, process }) => {
      const status = process?.core.partition(entry.partition);
      return status === undefined ? `${id} nothing` : `${id} ${status.role} at ${status.position.epoch}/${status.position.seq} promised ${status.promised} aside ${status.entriesSetAside} committed ${status.committed}`;
    });
    return `partition ${entry.partition} epoch ${entry.epoch} primary ${entry.primary} ${sets}: ${states.join('; ')}`;
  }

  /** Each operation stands once in the primary's log. */
  #judgeLog(entry: PartitionEntry): void {
    const process = this.#world.node<SimReplica>(entry.primary).process;
    const record = process?.core.records().find(({ partition }) => partition === entry.partition);
    if (process === undefined || record === undefined) return;
    const seen = new Map<string, number>();
    let next = 1;
    const epochAt = (seq: number): number => record.lineage.findLast(({ firstSeq }) => firstSeq <= seq)?.epoch ?? 0;
    for (const { entry: logged } of process.log) {
      if (logged.partition !== entry.partition || logged.seq !== next || logged.epoch !== epochAt(next)) continue;
      next++;
      const id = operationId(logged);
      if (id === undefined) continue;
      if (seen.has(id)) this.#violation(`${id} stands twice in the log of ${entry.primary}: ${seen.get(id)} and ${logged.seq}`);
      seen.set(id, logged.seq);
    }
    this.#count('logged', next - 1);
  }
}

export function runTrial(options: TrialOptions): TrialReport {
  return new ReplicationTrial(options).run();
}
