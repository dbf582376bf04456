import type { NodeId, Random } from '@engram/kernel';
import { isAddress, type Address } from './member.js';
import type { MemberTable } from './member-table.js';

/** How many of the missing are contacted per interval by the whole cluster together, at least. */
const contactsPerInterval = 4;

/**
 * Whom to try although nobody there is known to live: seeds that are not among the living, the dead, and addresses of
 * the dead that are forgotten as members. It is tried for ever, so no partition is too long to heal.
 */
export class Contacts {
  readonly #self: Address;
  readonly #addressesMax: number;
  #seeds: readonly Address[] = [];
  /** Who answered at a seed's address. */
  readonly #owners = new Map<Address, NodeId>();
  /** Oldest first. */
  readonly #remembered = new Set<Address>();

  constructor(self: Address, addressesMax: number) {
    this.#self = self;
    this.#addressesMax = addressesMax;
  }

  /** Without ourselves. */
  get seeds(): readonly Address[] {
    return this.#seeds;
  }

  setSeeds(addresses: readonly Address[]): void {
    this.#seeds = [...new Set(addresses)].filter((address) => isAddress(address) && address !== this.#self).slice(0, this.#addressesMax);
    for (const address of this.#owners.keys()) if (!this.#seeds.includes(address)) this.#owners.delete(address);
  }

  answered(address: Address, by: NodeId): void {
    if (this.#seeds.includes(address)) this.#owners.set(address, by);
  }

  /** When too many are remembered, the one remembered longest is not any more. */
  remember(address: Address): void {
    this.#remembered.delete(address);
    this.#remembered.add(address);
    for (const oldest of this.#remembered) {
      if (this.#remembered.size <= this.#addressesMax) return;
      this.#remembered.delete(oldest);
    }
  }

  absentSeeds(table: MemberTable): readonly Address[] {
    return this.#seeds.filter((seed) => {
      const owner = this.#owners.get(seed);
      return owner === undefined || !(table.reachable.has(owner) || table.get(owner)?.member.address === this.#self);
    });
  }

  /**
   * One of the missing, or nobody this time. Each node of a large cluster tries seldom, so that the address of one lost
   * machine is not flooded by a thousand of them, and always when many are missing.
   */
  choose(table: MemberTable, random: Random): Address | undefined {
    const addresses = [...this.absentSeeds(table), ...this.#remembered];
    const missing = addresses.length + table.dead.size;
    if (missing === 0 || !random.chance(Math.min(1, (contactsPerInterval * missing) / Math.max(1, table.reachable.size)))) return undefined;
    const at = random.below(missing);
    const [dead] = table.dead.pick(1, random);
    const chosen = addresses[at] ?? (dead === undefined ? undefined : table.get(dead)?.member.address);
    return chosen === this.#self ? undefined : chosen;
  }
}
