/** Clients that read what was acknowledged while everything else goes on, from nodes that run, each once and without patience. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from '@engram/kernel';
import type { DrillClient, PlacedAttempt } from './drill-client.js';
import type { DrillCluster } from './drill-cluster.js';

/** How many read at once, and how long each rests between two reads at most. */
const readers = 4;
const restMsMax = 100;

export class Readers {
  reads = 0;
  /** Reads that did not answer with what was acknowledged. */
  readonly failed: string[] = [];
  readonly #cluster: DrillCluster;
  readonly #client: DrillClient;
  readonly #attempts: readonly PlacedAttempt[];

  constructor(cluster: DrillCluster, client: DrillClient, attempts: readonly PlacedAttempt[]) {
    this.#cluster = cluster;
    this.#client = client;
    this.#attempts = attempts;
  }

  async run(random: Random, isOver: () => boolean): Promise<void> {
    await Promise.all(Array.from({ length: readers }, async (_, reader) => {
      const draws = random.fork(`reader-${reader}`);
      while (!isOver()) {
        await this.#read(draws);
        await pause(draws.float() * restMsMax);
      }
    }));
  }

  async #read(draws: Random): Promise<void> {
    const attempt = draws.pick(this.#attempts);
    if (attempt.outcome !== 'ok' || attempt.forgotten !== undefined) return;
    const { up } = this.#cluster;
    if (up.length === 0) return;
    const node = draws.pick(up);
    const { status, content } = await this.#client.get(node, attempt.space, attempt.id!);
    // Somebody may have begun to forget it meanwhile.
    if (attempt.forgotten !== undefined) return;
    this.reads += 1;
    if (status !== 200 || content !== attempt.content) this.failed.push(`${node.name} answered ${status || 'nothing'} for ${attempt.id} in ${attempt.space}`);
  }
}
