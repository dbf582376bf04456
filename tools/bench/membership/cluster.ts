import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { SwimMetrics } from '@engram/swim';
import { processorSeconds, residentBytes } from '../process-facts.js';
import { median } from '../ratio.js';
import type { Kind, Place, Sighting } from './kinds.js';
import type { Network } from './network.js';
import { NodeProcess } from './node-process.js';

/** A cluster in which nothing happens. */
export interface Idle {
  /** Per node and second, counted by the network with its headers; undefined where the network cannot count. */
  readonly bytesPerSecond: number | undefined;
  /** The same by the library's own metrics, 28 bytes added to each datagram; undefined for others. */
  readonly meteredBytesPerSecond: number | undefined;
  /** Of one core, mean of the nodes; undefined where there is no /proc. */
  readonly processorPercent: number | undefined;
  /** Median of the nodes. */
  readonly residentBytes: number;
}

/** From the SIGKILL until others said that the member is gone. */
export interface Detection {
  readonly firstMs: number;
  readonly allMs: number;
}

/** Longer than any of them should take for anything. */
const LIMIT_MS = 90_000;
const UDP_HEADER_BYTES = 28;

export class MembershipCluster {
  readonly #kind: Kind;
  readonly #network: Network;
  readonly #places: readonly Place[];
  readonly #nodes: NodeProcess[] = [];
  #killed: string | undefined;
  /** Members that somebody took for gone though nobody had killed them. */
  falseDeaths = 0;

  private constructor(kind: Kind, network: Network, places: readonly Place[]) {
    this.#kind = kind;
    this.#network = network;
    this.#places = places;
  }

  /** Starts all and waits until each sees every other one. */
  static async start(kind: Kind, count: number, encrypted: boolean, network: Network): Promise<MembershipCluster> {
    const ports = await network.ports(2 * count);
    const key = encrypted ? { key: randomBytes(32).toString('base64') } : {};
    const places = Array.from({ length: count }, (_, index) => ({
      name: `n${index}`, port: ports[index]!, sparePort: ports[count + index]!, ...key, ...(index > 0 && { seed: ports[0]! }),
    }));
    const cluster = new MembershipCluster(kind, network, places);
    try {
      for (const index of places.keys()) {
        cluster.#startNode(index);
        // The first is to listen before others ask it, and thirty runtimes at once would only wait for one another.
        await pause(index === 0 ? 1_000 : 100);
      }
      await cluster.#whenAllAlive();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  async idle(forMs: number): Promise<Idle> {
    const before = { at: performance.now(), traffic: this.#network.traffic(), metered: await this.#meteredBytes(), seconds: this.#processorSeconds() };
    await pause(forMs);
    const seconds = this.#processorSeconds();
    const traffic = this.#network.traffic();
    const elapsed = (performance.now() - before.at) / 1_000;
    const metered = await this.#meteredBytes();
    const nodeSeconds = elapsed * this.#nodes.length;
    return {
      bytesPerSecond: traffic && before.traffic && (traffic.bytes - before.traffic.bytes) / nodeSeconds,
      meteredBytesPerSecond: metered === undefined ? undefined : (metered - before.metered!) / nodeSeconds,
      processorPercent: seconds === undefined ? undefined : (100 * (seconds - before.seconds!)) / nodeSeconds,
      residentBytes: median(this.#nodes.map(({ pid }) => residentBytes(pid).total)),
    };
  }

  /** Kills one, waits until every other one knows, starts it again and waits until it is back. The first, the seed, is spared. */
  async killOne(index: number): Promise<Detection> {
    const victim = this.#nodes[index]!;
    const others = this.#nodes.filter((node) => node !== victim);
    this.#killed = victim.name;
    const killedAtMs = performance.now();
    await victim.kill();
    await this.#until(() => others.every((node) => node.sees(victim.name, 'gone')), `all others know that ${victim.name} is gone`);
    const heardMs = others.map((node) => node.heardAtMs(victim.name) - killedAtMs);
    this.#startNode(index);
    await this.#whenAllAlive();
    this.#killed = undefined;
    return { firstMs: Math.min(...heardMs), allMs: Math.max(...heardMs) };
  }

  async stop(): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.kill()));
  }

  #startNode(index: number): void {
    const place = this.#places[index]!;
    const command = this.#network.inside(this.#kind.command(place));
    this.#nodes[index] = new NodeProcess(place.name, this.#kind, command, (sighting) => this.#judge(sighting));
  }

  #judge({ member, state }: Sighting): void {
    if (state === 'gone' && member !== this.#killed) this.falseDeaths += 1;
  }

  #whenAllAlive(): Promise<void> {
    return this.#until(() => this.#nodes.every((node) => this.#places.every(({ name }) => node.sees(name, 'alive'))), 'everybody sees everybody');
  }

  /** @throws Error after a minute and a half, and when a process has ended that nobody killed. */
  async #until(isSo: () => boolean, what: string): Promise<void> {
    const began = performance.now();
    while (!isSo()) {
      const ended = this.#nodes.find((node) => node.ended && node.name !== this.#killed);
      if (ended) throw new Error(`a node of ${this.#kind.name} ended by itself:\n${ended.tail()}`);
      if (performance.now() - began > LIMIT_MS) throw new Error(`not within ${LIMIT_MS / 1_000} s: ${what}\n${this.#nodes.map((node) => node.tail()).join('\n')}`);
      await pause(20);
    }
  }

  async #meteredBytes(): Promise<number | undefined> {
    if (this.#kind.name !== 'engram') return undefined;
    const all = await Promise.all(this.#nodes.map((node) => node.metrics()));
    return all.reduce((sum, metrics) => sum + sentBytes(metrics), 0);
  }

  #processorSeconds(): number | undefined {
    let sum = 0;
    for (const { pid } of this.#nodes) {
      const seconds = processorSeconds(pid);
      if (seconds === undefined) return undefined;
      sum += seconds;
    }
    return sum;
  }
}

function sentBytes({ datagrams, streams }: SwimMetrics): number {
  return datagrams.bytesOut + UDP_HEADER_BYTES * datagrams.packetsOut + streams.bytesOut;
}
