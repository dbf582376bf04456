/** Hears everything that is delivered, each with its type. */
type Deliver<Events> = <T extends keyof Events>(type: T, event: Events[T]) => void;

/**
 * Events on their way to listeners. They wait until the work that caused them is done, so a listener sees the node as it
 * is afterwards and may call anything on it: what follows from that call is delivered later, never from within.
 *
 * What a turn of the event loop brings is delivered in that turn. What listeners cause by listening comes in the next,
 * so that two listeners that answer each other cannot stop the process.
 */
export class Outbox<Events> {
  readonly #deliver: Deliver<Events>;
  readonly #onEmpty: () => void;
  #waiting: (() => void)[] = [];
  #isScheduled = false;

  constructor(deliver: Deliver<Events>, onEmpty: () => void) {
    this.#deliver = deliver;
    this.#onEmpty = onEmpty;
  }

  put<T extends keyof Events>(type: T, event: Events[T]): void {
    this.#waiting.push(() => this.#deliver(type, event));
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => this.#flush());
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && !this.#isScheduled;
  }

  #flush(): void {
    const deliveries = this.#waiting;
    this.#waiting = [];
    for (const deliver of deliveries) deliver();
    if (this.#waiting.length > 0) return void setImmediate(() => this.#flush());
    this.#isScheduled = false;
    this.#onEmpty();
  }
}

/** A listener that throws is a defect of the user's, which concerns neither other listeners nor the protocol. */
export function callApart<Event>(listener: (event: Event) => void, event: Event): void {
  try {
    listener(event);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
