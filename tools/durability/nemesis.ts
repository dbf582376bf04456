/** What goes wrong in a drill: nodes are killed and started again, and stopped for longer than any lease and continued. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@engram/kernel';
import type { DrillClient, PlacedAttempt } from './drill-client.js';
import type { DrillCluster, DrillNode, PlacedPartition } from './drill-cluster.js';

/** A kill of the primary of a space, and when that took a write again. */
export interface Outage {
  readonly node: string;
  readonly space: string;
  readonly writableMs: number;
  /** Others that were not there either when it was killed. */
  readonly othersAway: number;
  /** Whether the node was started again before the others could take over. */
  readonly quickRestart: boolean;
}

export interface NemesisOptions {
  /** How many kills and how many stops there are at least. None of both means a quiet run. */
  readonly kills: number;
  readonly stops: number;
  /** Asked before each further fault once all of those have begun: whether there is still something to disturb. */
  readonly goOn: () => boolean;
  readonly spaces: readonly { readonly space: string; readonly partition: number }[];
  /** How many nodes are away at the same time at most. */
  readonly away: number;
  readonly random: Random;
  /** A new entry of the ledger, for a write that probes. */
  readonly newProbe: (space: string) => PlacedAttempt;
  readonly progress: (text: string) => void;
}

/** How long a space may take no writes while a majority of its copies is there all the time. */
const outageLimitMs = 60_000;
/** How long a space is watched. Then whether it takes writes again is seen when all is over. */
const watchMs = 300_000;

export class Nemesis {
  readonly outages: Outage[] = [];
  /** What did not come back as it should. */
  readonly complaints: string[] = [];
  readonly #cluster: DrillCluster;
  readonly #client: DrillClient;
  readonly #options: NemesisOptions;
  readonly #busy = new Set<DrillNode>();
  readonly #begun = { kill: 0, stop: 0 };
  readonly #done = { kill: 0, stop: 0 };

  constructor(cluster: DrillCluster, client: DrillClient, options: NemesisOptions) {
    this.#cluster = cluster;
    this.#client = client;
    this.#options = options;
  }

  /** How many kills are over: the node came back. */
  get kills(): number {
    return this.#done.kill;
  }

  get stops(): number {
    return this.#done.stop;
  }

  async run(): Promise<void> {
    const { random, away } = this.#options;
    await Promise.all(Array.from({ length: away }, (_, hand) => this.#hand(random.fork(`hand-${hand}`))));
  }

  async #hand(draws: Random): Promise<void> {
    for (let fault = this.#next(draws); fault; fault = this.#next(draws)) {
      this.#begun[fault] += 1;
      const node = this.#victim(await this.#cluster.partitions(), draws);
      this.#busy.add(node);
      try {
        await (fault === 'kill' ? this.#killAndRestart(node, draws) : this.#stopAndResume(node, draws));
      } catch (error) {
        this.complaints.push(`${node.name} did not come back: ${(error as Error).message.slice(0, 2_000)}`);
        return;
      }
      this.#busy.delete(node);
      this.#done[fault] += 1;
      if ((this.kills + this.stops) % 5 === 0) this.#options.progress(`${this.kills} kills, ${this.stops} stops`);
      await pause(200 + draws.below(1_500));
    }
  }

  /** Kills and stops are mixed in the proportion in which they were asked for, also beyond those. */
  #next(draws: Random): 'kill' | 'stop' | undefined {
    const { kills, stops, goOn } = this.#options;
    let [kill, stop] = [Math.max(0, kills - this.#begun.kill), Math.max(0, stops - this.#begun.stop)];
    if (kill + stop === 0 && goOn()) [kill, stop] = [kills, stops];
    if (kill + stop === 0) return undefined;
    return draws.float() * (kill + stop) < kill ? 'kill' : 'stop';
  }

  /** Whoever leads a space, more often than not: those that were away lead nothing, and killing them only shows that they catch up. */
  #victim(table: readonly PlacedPartition[], draws: Random): DrillNode {
    const leader = this.#cluster.named(placementOf(table, draws.pick(this.#options.spaces).partition)?.primary);
    const free = this.#cluster.nodes.filter((each) => !this.#busy.has(each) && !each.spared);
    if (leader && free.includes(leader) && draws.chance(0.7)) return leader;
    return draws.pick(free);
  }

  async #killAndRestart(node: DrillNode, draws: Random): Promise<void> {
    const table = await this.#cluster.partitions();
    const othersAway = this.#cluster.nodes.filter((each) => each !== node && each.state !== 'up').length;
    const led = this.#options.spaces.filter(({ partition }) => placementOf(table, partition)?.primary === node.name);
    const quickRestart = draws.chance(0.3);
    await this.#cluster.kill(node);
    const from = performance.now();
    const probed = led.length > 0 ? draws.pick(led) : undefined;
    const outage = (space: string): Outage => ({ node: node.name, space, writableMs: performance.now() - from, othersAway, quickRestart });
    const probing = probed && this.#probe(probed.space, placementOf(table, probed.partition)!, () => outage(probed.space), draws);
    // Now and then it is back before anybody has taken over; else it comes back to a cluster that went on without it.
    if (quickRestart) await pause(draws.below(1_000));
    else await Promise.race([probing, pause(outageLimitMs / 2)]);
    await pause(draws.below(500));
    await Promise.all([this.#cluster.restart(node), probing]);
  }

  async #stopAndResume(node: DrillNode, draws: Random): Promise<void> {
    this.#cluster.stop(node);
    await pause(3_000 + draws.below(3_000));
    await this.#cluster.resume(node);
  }

  /** Asks every 20 ms until the space takes a write that was sent after the kill. */
  async #probe(space: string, { primary, replicas }: PlacedPartition, outage: () => Outage, draws: Random): Promise<void> {
    const copies = [primary, ...replicas].map((name) => this.#cluster.named(name));
    let named: DrillNode | undefined;
    let said = '';
    let withoutMajorityAt = performance.now();
    while (outage().writableMs < watchMs) {
      const node = named ?? draws.pick(this.#cluster.up.length > 0 ? this.#cluster.up : this.#cluster.nodes);
      const answer = await this.#client.tryStore(this.#options.newProbe(space), node);
      if (answer.stored) {
        this.outages.push(outage());
        return;
      }
      said = answer.said;
      named = answer.named === node ? undefined : answer.named;
      if (2 * copies.filter((copy) => copy?.state === 'up').length <= copies.length) withoutMajorityAt = performance.now();
      if (performance.now() - withoutMajorityAt > outageLimitMs) {
        this.complaints.push(`until ${new Date().toISOString()} ${space} took no write for ${outageLimitMs} ms after ${primary} was killed, with a majority of its copies there; at last ${said}`);
        return;
      }
      await pause(20);
    }
  }
}

function placementOf(table: readonly PlacedPartition[], partition: number): PlacedPartition | undefined {
  const at = table[partition];
  return at?.id === partition ? at : table.find(({ id }) => id === partition);
}
