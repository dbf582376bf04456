import { ReplayWindow } from './replay-window.js';

/**
 * A replay window for each sender. Only what proved authentic gets here, so forged senders cost no memory; senders are
 * capped all the same, because every start of every node counts as one more. The one not heard of for longest goes.
 */
export class ReplayGuard {
  readonly #sendersMax: number;
  /** In the order last heard. */
  readonly #windows = new Map<string, ReplayWindow>();

  constructor(sendersMax: number) {
    this.#sendersMax = sendersMax;
  }

  /** True the first time this sender's counter is seen. `sender` is short and names one start of one process. */
  accept(sender: string, counter: number): boolean {
    const window = this.#windows.get(sender) ?? new ReplayWindow();
    this.#windows.delete(sender);
    this.#windows.set(sender, window);
    if (this.#windows.size > this.#sendersMax) this.#forgetOldest();
    return window.accept(counter);
  }

  get senders(): number {
    return this.#windows.size;
  }

  #forgetOldest(): void {
    for (const oldest of this.#windows.keys()) {
      this.#windows.delete(oldest);
      return;
    }
  }
}
