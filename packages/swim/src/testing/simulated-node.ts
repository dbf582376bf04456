import type { NodeId } from '@engram/kernel';
import type { NodeTraffic, SimNode } from '@engram/kernel/sim';
import type { Member, MemberState, SwimCore, SwimEvent } from '../core/index.js';
import type { SimulatedProcess } from './simulated-process.js';

/** Names of members to what they are held for. */
export type StateView = Readonly<Record<string, MemberState>>;

/** One machine of the cluster, whether its process runs or not. */
export class SimulatedNode {
  readonly name: string;
  readonly #node: SimNode<SimulatedProcess>;

  /** For `simulateSwim`. @internal */
  constructor(name: string, node: SimNode<SimulatedProcess>) {
    this.name = name;
    this.#node = node;
  }

  get alive(): boolean { return this.#node.alive; }
  get address(): string { return this.#node.address; }
  /** Datagrams and bytes since the beginning, over all lives. Headers are not in it: add 28 for each packet over IPv4. */
  get traffic(): NodeTraffic { return this.#node.traffic; }
  /** The running core; undefined while the process is dead. */
  get core(): SwimCore | undefined { return this.#node.process?.core; }

  /** The epoch that its present life began with. */
  get epochAtStart(): number | undefined { return this.#node.process?.epochAtStart; }
  /** How often it was started. */
  get lives(): number { return this.#node.lives; }

  /** Everybody it knows, itself included. Empty while it is dead. */
  get members(): readonly Member[] {
    return this.core?.view().members ?? [];
  }

  /** How it holds the others, e.g. `{ n1: 'alive', n2: 'suspect' }`. */
  get view(): StateView {
    return Object.fromEntries(this.members.filter(({ id }) => (id as string) !== this.name).map(({ id, state }) => [id, state]));
  }

  /** How it holds one of them; undefined when it does not know it, or is dead. */
  member(name: string): Member | undefined {
    return this.core?.member(name as NodeId);
  }

  /** Hands an event to its core, as its driver would: set-metadata, broadcast, send-message and the like. Does nothing to a dead one. */
  dispatch(event: SwimEvent): void {
    this.#node.process?.dispatch(event);
  }
}
