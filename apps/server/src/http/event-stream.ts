import { Readable } from 'node:stream';

export interface EventStreamOptions {
  /** How often a comment is sent, so that proxies keep the connection and a dead one is noticed. @default 15_000 */
  readonly heartbeatMs?: number;
  /** What may wait for a slow reader. Beyond it the stream ends, and the reader comes back with the last id it saw. @default 1 MiB */
  readonly waitingBytesMax?: number;
  /** What the reader is told to wait before it comes back. @default 2_000 */
  readonly retryMs?: number;
  /** Called once the stream is over, whoever ended it. */
  readonly onEnd?: () => void;
}

/** A stream of server-sent events (WHATWG HTML, section 9.2). */
export class EventStream {
  readonly readable: Readable;
  readonly #waitingBytesMax: number;
  readonly #heartbeat: NodeJS.Timeout;

  constructor({ heartbeatMs = 15_000, waitingBytesMax = 1_048_576, retryMs = 2_000, onEnd }: EventStreamOptions = {}) {
    this.#waitingBytesMax = waitingBytesMax;
    this.readable = new Readable({ read: () => undefined });
    this.#heartbeat = setInterval(() => this.#write(': heartbeat\n\n'), heartbeatMs);
    this.readable.once('close', () => {
      clearInterval(this.#heartbeat);
      onEnd?.();
    });
    this.#write(`retry: ${retryMs}\n\n`);
  }

  /** `id` and `type` hold no line ends; JSON on one line never does. */
  send(id: string, type: string, data: unknown): void {
    this.#write(`id: ${id}\nevent: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Ends the stream after what was sent. */
  end(): void {
    clearInterval(this.#heartbeat);
    if (!this.readable.destroyed && !this.readable.readableEnded) this.readable.push(null);
  }

  #write(text: string): void {
    if (this.readable.destroyed) return;
    if (this.readable.readableLength > this.#waitingBytesMax) this.readable.destroy();
    else this.readable.push(text);
  }
}
