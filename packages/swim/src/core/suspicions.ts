import type { Instant, NodeId } from '@engram/kernel';
import { Deadlines } from './deadlines.js';
import { Suspicion, type SuspicionTerms } from './suspicion.js';

/** Everybody under suspicion, and whose time to refute is over. */
export class Suspicions {
  readonly #suspicions = new Map<NodeId, Suspicion>();
  readonly #deadlines = new Deadlines<NodeId>();

  get nextDeadline(): Instant | undefined { return this.#deadlines.next; }
  get ids(): readonly NodeId[] { return [...this.#suspicions.keys()]; }

  begin(id: NodeId, terms: SuspicionTerms, by: NodeId, since: Instant): void {
    const suspicion = new Suspicion(terms, by, since);
    this.#suspicions.set(id, suspicion);
    this.#deadlines.set(id, suspicion.deadline);
  }

  /** Whether it brought the end nearer. */
  confirm(id: NodeId, by: NodeId): boolean {
    const suspicion = this.#suspicions.get(id);
    if (!suspicion?.confirm(by)) return false;
    this.#deadlines.set(id, suspicion.deadline);
    return true;
  }

  end(id: NodeId): void {
    this.#suspicions.delete(id);
    this.#deadlines.delete(id);
  }

  /** Those whose time is over; they stay until `end`. */
  due(now: Instant): readonly NodeId[] {
    return this.#deadlines.due(now).filter((id) => {
      const deadline = this.#suspicions.get(id)?.deadline;
      if (deadline === undefined || deadline <= now) return deadline !== undefined;
      this.#deadlines.set(id, deadline);
      return false;
    });
  }

  /** Nobody was able to answer us for so long. */
  postpone(ms: number): void {
    for (const suspicion of this.#suspicions.values()) suspicion.postpone(ms);
    this.#deadlines.postpone(ms);
  }

  /** Nobody is judged before they begin again. */
  rest(): void {
    this.#deadlines.clear();
  }
}
