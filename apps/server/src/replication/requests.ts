import { EngramError } from '@engram/kernel';
import type { ReplicationEffect } from '@engram/replication/core';

/** How replication answers a request. */
export type Settlement = Extract<ReplicationEffect, { readonly request: number }>;

interface Waiting {
  readonly resolve: (settlement: Settlement) => void;
  readonly reject: (error: EngramError) => void;
}

/** Requests that replication has been asked and has not answered. It bounds them itself, and answers each one in time. */
export class Requests {
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #closed: EngramError | undefined;
  #emptied: (() => void)[] = [];

  get size(): number {
    return this.#waiting.size;
  }

  /** Hands `ask` the number of the request; rejects with what `close` was called with. */
  open(ask: (request: number) => void): Promise<Settlement> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closed);
      const request = this.#next++;
      this.#waiting.set(request, { resolve, reject });
      ask(request);
    });
  }

  settle(settlement: Settlement): void {
    this.#take(settlement.request)?.resolve(settlement);
  }

  /** Resolves when nothing waits, or after `ms`. */
  async emptied(ms: number): Promise<void> {
    if (this.#waiting.size === 0) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#emptied.push(() => (clearTimeout(timer), resolve()));
    });
  }

  /** Refuses all that wait, and all that come. Those that wait may have been written. */
  close(error: EngramError): void {
    this.#closed ??= error;
    const { code, message, hint, details } = this.#closed;
    const indeterminate = new EngramError(code, message, { hint, details: { ...details, indeterminate: true } });
    for (const request of [...this.#waiting.keys()]) this.#take(request)?.reject(indeterminate);
  }

  #take(request: number): Waiting | undefined {
    const waiting = this.#waiting.get(request);
    this.#waiting.delete(request);
    if (this.#waiting.size === 0) for (const emptied of this.#emptied.splice(0)) emptied();
    return waiting;
  }
}
