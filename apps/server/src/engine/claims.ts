import type { MemoryId, SpaceId } from '@engram/kernel';

/**
 * Who must wait for whom: a write on its way through the log holds the names it is about to take, so that a second
 * write of the same name waits and is decided by what became of the first. Bounded by the log's queue.
 */
export class Claims {
  readonly #held = new Map<string, Promise<void>>();

  /** Settles when the holder of a name has landed or failed; undefined when nobody holds it. */
  heldOn(claim: string): Promise<void> | undefined {
    return this.#held.get(claim);
  }

  /** Holds names that nobody holds; the returned function lets go of them. */
  hold(claims: readonly string[]): () => void {
    let settle!: () => void;
    const landed = new Promise<void>((resolve) => (settle = resolve));
    for (const claim of claims) this.#held.set(claim, landed);
    return () => {
      for (const claim of claims) this.#held.delete(claim);
      settle();
    };
  }

  /** Settles when every name that is held now has been let go. */
  async settled(): Promise<void> {
    await Promise.all(this.#held.values());
  }
}

export function idClaim(space: SpaceId, id: MemoryId): string {
  return `id:${space}/${id}`;
}

/** The key as the store knows it, its space included. */
export function keyClaim(key: string): string {
  return `key:${key}`;
}

/** The right to fix the dimension of a space's vectors. */
export function vectorClaim(space: SpaceId): string {
  return `vector:${space}`;
}

export function policyClaim(space: SpaceId): string {
  return `policy:${space}`;
}
