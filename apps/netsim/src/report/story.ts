import type { LifeEvent } from '@engram/kernel/sim';
import type { MemberChange } from '@engram/swim/core';
import type { SimulatedSwim } from '@engram/swim/testing';

/** What one member came to hold another for. */
export interface ViewChange {
  readonly atMs: number;
  readonly observer: string;
  readonly kind: MemberChange['kind'];
  readonly member: string;
  readonly epoch: number;
  readonly incarnation: number;
  /** How many the observer holds for here from now on, itself included. */
  readonly here: number;
}

/** What happened in a run, as far as a page can show it. */
export interface Story {
  readonly lives: readonly LifeEvent[];
  readonly views: readonly ViewChange[];
  /** Changes of views beyond those kept. */
  readonly viewsLeftOut: number;
  /** The epochs that each node has begun with, one per life. */
  readonly epochs: ReadonlyMap<string, readonly number[]>;
}

/** A page with more marks than these is slow to open and shows no more. */
const viewsMax = 20_000;

/** Listens from now on; the story is complete when the run is over. */
export function storyOf(cluster: SimulatedSwim): Story {
  const lives: LifeEvent[] = [];
  const views: ViewChange[] = [];
  const epochs = new Map<string, number[]>();
  const story = { lives, views, viewsLeftOut: 0, epochs };
  const livesSeen = new Map<string, number>();
  cluster.world.onLife((event) => lives.push(event));
  cluster.onEffect(({ atMs, node, life, effect }) => {
    const { core, epochAtStart } = cluster.node(node);
    if (livesSeen.get(node) !== life && epochAtStart !== undefined) {
      livesSeen.set(node, life);
      epochs.set(node, [...(epochs.get(node) ?? []), epochAtStart]);
    }
    if (!('version' in effect)) return;
    if (views.length === viewsMax) return void story.viewsLeftOut++;
    const { id, epoch, incarnation } = effect.member;
    const { alive = 0, suspect = 0 } = core?.stats() ?? {};
    views.push({ atMs, observer: node, kind: effect.kind, member: id, epoch, incarnation, here: alive + suspect + 1 });
  });
  return story;
}
