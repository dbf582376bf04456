import type { MemoryId, SpaceId } from '@engram/kernel';

/** A write on its way. Hardly any is ever waited for, so the promise to wait on is made for the first who does. */
class Landing {
  #landed: Promise<void> | undefined;
  #settle: () => void = () => undefined;

  get landed(): Promise<void> {
    return (this.#landed ??= new Promise((resolve) => (this.#settle = resolve)));
  }

  settle(): void {
    this.#settle();
  }
}

/**
 * Who must wait for whom: a write on its way through the log holds the names it is about to take, so that a second
 * write of the same name waits and is decided by what became of the first. Bounded by the log's queue.
 */
export class Claims {
  readonly #held = new Map<string, Landing>();

  /** Settles when the holder of a name has landed or failed; undefined when nobody holds it. */
  heldOn(claim: string): Promise<void> | undefined {
    return this.#held.get(claim)?.landed;
  }

  /** Holds names that nobody holds; the returned function lets go of them. */
  hold(claims: readonly string[]): () => void {
    const landing = new Landing();
    for (const claim of claims) this.#held.set(claim, landing);
    return () => {
      for (const claim of claims) this.#held.delete(claim);
      landing.settle();
    };
  }

  /** Settles when every name that is held now has been let go. */
  async settled(): Promise<void> {
    await Promise.all(Array.from(this.#held.values(), ({ landed }) => landed));
  }
}

/**
 * An id is claimed in all spaces at once: that two spaces meet over one is rare, and every store would pay for a name
 * that is joined of both.
 */
export function idClaim(id: MemoryId): string {
  return id;
}

/** The key as the store knows it, its space included. No id has a slash, so the other claims never meet one. */
export function keyClaim(key: string): string {
  return `key/${key}`;
}

/** The right to fix the dimension of a space's vectors. */
export function vectorClaim(space: SpaceId): string {
  return `vector/${space}`;
}

export function policyClaim(space: SpaceId): string {
  return `policy/${space}`;
}
