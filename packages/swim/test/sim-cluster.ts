import { Driver, parseClusterId, parseNodeId, type NodeId } from '@engram/kernel';
import { SimWorld, type LinkOptions, type SimEnv, type SimNode, type SimProcess, type SimStream } from '@engram/kernel/sim';
import { SwimCore, swimPresets, type Address, type Member, type MemberChange, type SwimEffect, type SwimEvent, type SwimOptions } from '../src/core/index.js';

export interface SimClusterOptions {
  readonly nodes: number;
  readonly seed: number;
  readonly link?: LinkOptions;
  readonly swim?: SwimOptions;
  /** How many of the first nodes everybody is given as seeds. @default 1 */
  readonly seeds?: number;
  /** Node i starts at i times this. @default 10 */
  readonly startEveryMs?: number;
  /** Two nodes may be given one id. @default the name of the node */
  readonly idOf?: (name: string) => string;
}

export interface SeenEffect {
  /** Virtual time of the world. */
  readonly atMs: number;
  readonly node: string;
  readonly effect: SwimEffect;
}

/** A cluster in the simulated world: the core under its real driver, bytes on simulated sockets. */
export class SimCluster {
  readonly world: SimWorld;
  readonly nodes: SimNode<SimSwim>[] = [];
  readonly seen: SeenEffect[] = [];
  readonly options: SimClusterOptions;

  constructor(options: SimClusterOptions) {
    this.options = options;
    this.world = new SimWorld({ seed: options.seed, ...(options.link && { link: options.link }) });
    for (let i = 0; i < options.nodes; i++) {
      this.nodes.push(this.world.addNode(nameOf(i), (env) => new SimSwim(env, this), { startAtMs: i * (options.startEveryMs ?? 10) }));
    }
  }

  get seeds(): Address[] {
    return this.nodes.slice(0, this.options.seeds ?? 1).map((node) => node.address as Address);
  }

  runTo(untilMs: number): void {
    this.world.run({ untilMs });
  }

  core(i: number): SwimCore {
    const process = this.nodes[i]?.process;
    if (!process) throw new Error(`node ${i} is not running`);
    return process.core;
  }

  dispatch(i: number, event: SwimEvent): void {
    this.nodes[i]?.process?.driver.dispatch(event);
  }

  /** How node `i` holds each of the others, e.g. `{ n1: 'alive' }`. */
  viewOf(i: number): Record<string, string> {
    return Object.fromEntries(this.core(i).view().members.filter(({ id }) => id !== nameOf(i)).map((member: Member) => [member.id, member.state]));
  }

  /** Whether all were started and all that run hold exactly those alive that run. */
  get converged(): boolean {
    if (this.world.nowMs < this.nodes.length * (this.options.startEveryMs ?? 10)) return false;
    const running = this.nodes.filter((node) => node.alive);
    return running.every((node) => {
      const members = (node.process as SimSwim).core.view().members;
      const alive = members.filter(({ state }) => state === 'alive');
      return alive.length === running.length && alive.every(({ id }) => this.nodes.some((other) => other.id === id && other.alive));
    });
  }

  /** The first time of that change to that member on each node, from `sinceMs` on. */
  changes(kind: MemberChange['kind'], id: string, sinceMs = 0): Map<string, number> {
    const first = new Map<string, number>();
    for (const { atMs, node, effect } of this.seen) {
      if (atMs >= sinceMs && effect.kind === kind && effect.member.id === id && !first.has(node)) first.set(node, atMs);
    }
    return first;
  }

  /** Who was declared dead, once for each node that came to hold it. */
  deaths(sinceMs = 0): string[] {
    return this.seen.flatMap(({ atMs, effect }) => (atMs >= sinceMs && effect.kind === 'member-dead' ? [effect.member.id] : []));
  }

  effects<Kind extends SwimEffect['kind']>(kind: Kind, sinceMs = 0): { readonly atMs: number; readonly node: string; readonly effect: Extract<SwimEffect, { kind: Kind }> }[] {
    return this.seen.filter(({ atMs, effect }) => atMs >= sinceMs && effect.kind === kind) as never;
  }
}

export function nameOf(i: number): NodeId {
  return parseNodeId(`n${i}`);
}

const unseen: ReadonlySet<SwimEffect['kind']> = new Set(['send-datagram', 'open-stream', 'send-stream', 'close-stream', 'probe-finished']);

class SimSwim implements SimProcess {
  readonly core: SwimCore;
  readonly driver: Driver<SwimEvent, SwimEffect>;
  readonly #env: SimEnv;
  readonly #cluster: SimCluster;
  readonly #streams = new Map<number, SimStream>();
  #nextInbound = -1;

  constructor(env: SimEnv, cluster: SimCluster) {
    this.#env = env;
    this.#cluster = cluster;
    const self = { cluster: parseClusterId('test'), id: parseNodeId(cluster.options.idOf?.(env.id) ?? env.id), address: env.address as Address, epoch: this.#nextEpoch() };
    this.core = new SwimCore(self, env.random.fork('swim'), cluster.options.swim ?? swimPresets.fast);
    this.driver = new Driver(this.core, env.clock, (effect) => this.#perform(effect));
    env.datagrams.onReceive((from, bytes) => this.driver.dispatch({ kind: 'datagram-received', from: from as Address, bytes }));
    env.streams.onAccept((stream, from) => {
      const id = this.#nextInbound--;
      this.#streams.set(id, stream);
      return this.#handlers(id, from as Address);
    });
    this.driver.dispatch({ kind: 'seeds-resolved', addresses: cluster.seeds });
    this.driver.dispatch({ kind: 'join', request: 1 });
  }

  stop(): void {
    this.driver.dispatch({ kind: 'leave', request: 2 });
  }

  #nextEpoch(): number {
    const { storage } = this.#env;
    const stored = storage.get('epoch');
    const epoch = Math.max(Math.floor(this.#env.wallClockMs() / 1_000), stored ? new DataView(stored.slice().buffer).getFloat64(0) + 1 : 1);
    this.#persistEpoch(epoch);
    return epoch;
  }

  #persistEpoch(epoch: number): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, epoch);
    this.#env.storage.set('epoch', bytes);
    this.#env.storage.sync();
  }

  #perform(effect: SwimEffect): void {
    if (!unseen.has(effect.kind)) this.#cluster.seen.push({ atMs: this.#cluster.world.nowMs, node: this.#env.id, effect });
    switch (effect.kind) {
      case 'send-datagram': return this.#env.datagrams.send(effect.to, effect.bytes);
      case 'open-stream':
        this.#streams.set(effect.stream, this.#env.streams.connect(effect.to, this.#handlers(effect.stream, effect.to)));
        return this.#write(effect.stream, effect.bytes);
      case 'send-stream':   return this.#write(effect.stream, effect.bytes);
      case 'close-stream':
        this.#streams.get(effect.stream)?.end();
        return void this.#streams.delete(effect.stream);
      case 'persist-epoch': return this.#persistEpoch(effect.epoch);
      case 'leave-finished': return this.#env.exit('left');
      default:
        return;
    }
  }

  #write(id: number, bytes: Uint8Array): void {
    const framed = new Uint8Array(4 + bytes.length);
    new DataView(framed.buffer).setUint32(0, bytes.length);
    framed.set(bytes, 4);
    this.#streams.get(id)?.write(framed);
  }

  #handlers(id: number, from: Address) {
    let buffered = new Uint8Array(0);
    return {
      onData: (bytes: Uint8Array): void => {
        const joined = new Uint8Array(buffered.length + bytes.length);
        joined.set(buffered);
        joined.set(bytes, buffered.length);
        buffered = joined;
        while (buffered.length >= 4) {
          const length = new DataView(buffered.buffer, buffered.byteOffset).getUint32(0);
          if (buffered.length < 4 + length) return;
          const frame = buffered.slice(4, 4 + length);
          buffered = buffered.slice(4 + length);
          this.driver.dispatch({ kind: 'stream-received', stream: id, from, bytes: frame });
        }
      },
      onEnd: (): void => this.#over(id, 'ended by the other side'),
      onClosed: (why: string): void => this.#over(id, why),
    };
  }

  #over(id: number, reason: string): void {
    const stream = this.#streams.get(id);
    if (!stream) return;
    this.#streams.delete(id);
    stream.end();
    this.driver.dispatch({ kind: 'stream-closed', stream: id, reason });
  }
}
