import { isClusterId, plusMs, utf8Encode, type ClusterId, type NodeId } from '@engram/kernel';
import type { SimEnv } from '@engram/kernel/sim';
import type { FormingPeer, NodeCard, SeenNode } from '../../src/core/index.js';

const greetEveryMs = 200;
const decoder = new TextDecoder();

interface Heard {
  readonly atUs: number;
  /** Drawn anew each time, because SWIM does not notice everybody's death after the same time. */
  readonly goneAfterUs: number;
  readonly clusterId: ClusterId | undefined;
  readonly expect: number | undefined;
  readonly card: NodeCard;
  readonly leaving: boolean;
}

interface Greeting {
  readonly clusterId?: string;
  readonly expect?: number;
  readonly card: NodeCard;
  readonly leaving?: true;
}

/**
 * Stands in for membership, which is proved elsewhere: everybody greets everybody five times a second, and who was not
 * heard for 1.2 to 2 seconds counts as gone, as it does with SWIM's fast preset.
 */
export class SimMembers {
  readonly #env: SimEnv;
  readonly #heard = new Map<NodeId, Heard>();
  leaving = false;

  constructor(env: SimEnv, others: readonly NodeId[], about: () => { readonly clusterId: ClusterId | undefined; readonly expect: number | undefined; readonly card: NodeCard }, send: (to: NodeId, bytes: Uint8Array) => void, changed: () => void) {
    this.#env = env;
    const greet = (): void => {
      const { clusterId, expect, card } = about();
      const greeting: Greeting = { card, ...(clusterId !== undefined && { clusterId }), ...(expect !== undefined && { expect }), ...(this.leaving && { leaving: true }) };
      const bytes = utf8Encode(JSON.stringify(greeting));
      for (const id of others) send(id, bytes);
      changed();
      env.clock.schedule(plusMs(env.clock.now(), greetEveryMs), greet);
    };
    env.clock.schedule(env.clock.now(), greet);
  }

  received(from: NodeId, bytes: Uint8Array): ClusterId | undefined {
    const { clusterId, expect, card, leaving } = JSON.parse(decoder.decode(bytes)) as Greeting;
    const known = isClusterId(clusterId) ? clusterId : undefined;
    this.#heard.set(from, { atUs: this.#env.clock.now(), goneAfterUs: 1_200_000 + this.#env.random.below(800_000), clusterId: known, expect, card, leaving: leaving === true });
    return known;
  }

  seen(): SeenNode[] {
    return [...this.#heard].map(([id, heard]) => ({ id, alive: this.#isAlive(heard), card: heard.card }));
  }

  peers(): FormingPeer[] {
    return [...this.#heard].filter(([, heard]) => this.#isAlive(heard)).map(([id, { clusterId, expect }]) => ({ id, ...(clusterId !== undefined && { clusterId }), ...(expect !== undefined && { expect }) }));
  }

  #isAlive({ atUs, goneAfterUs, leaving }: Heard): boolean {
    return !leaving && this.#env.clock.now() - atUs < goneAfterUs;
  }
}
