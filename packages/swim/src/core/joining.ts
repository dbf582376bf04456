import type { Address } from './member.js';
import type { FailedContact, RefusalCode, RequestId } from './messages.js';
import type { SwimContext } from './swim-context.js';

interface Attempt {
  readonly request: RequestId;
  readonly waiting: Set<Address>;
  readonly contacted: Address[];
  readonly failed: FailedContact[];
}

/** The request to join that is under way: which seeds were asked, and what became of each. */
export class Joining {
  readonly #context: SwimContext;
  #attempt: Attempt | undefined;

  constructor(context: SwimContext) {
    this.#context = context;
  }

  get isUnderWay(): boolean {
    return this.#attempt !== undefined;
  }

  /** `contact` may tell of a seed at once. */
  begin(request: RequestId, seeds: readonly Address[], contact: (seed: Address) => void): void {
    this.#attempt = { request, waiting: new Set(seeds), contacted: [], failed: [] };
    for (const seed of seeds) contact(seed);
    this.#endWhenDone();
  }

  contacted(address: Address, failure: string | undefined): void {
    if (!this.#attempt?.waiting.delete(address)) return;
    if (failure === undefined) this.#attempt.contacted.push(address);
    else this.#attempt.failed.push({ address, reason: failure });
    this.#endWhenDone();
  }

  /** We ourselves answer there, under another spelling of our address: that is nobody met and nothing wrong. */
  isOurselves(address: Address): void {
    if (this.#attempt?.waiting.delete(address)) this.#endWhenDone();
  }

  abandon(code: RefusalCode, reason: string): void {
    if (!this.#attempt) return;
    const { request } = this.#attempt;
    this.#attempt = undefined;
    this.#context.refuse(request, code, reason);
  }

  #endWhenDone(): void {
    if (!this.#attempt || this.#attempt.waiting.size > 0) return;
    const { request, contacted, failed } = this.#attempt;
    this.#attempt = undefined;
    this.#context.emit({ kind: 'join-finished', request, contacted, failed });
  }
}
