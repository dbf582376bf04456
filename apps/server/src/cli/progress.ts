import cliProgress, { type SingleBar } from 'cli-progress';
import { coloured, print, type Cli } from './cli.js';

export interface ProgressOptions {
  /** What is being done, as the first word of the line: `importing`. */
  readonly label: string;
  /** How much there is; undefined when nobody knows. */
  readonly total?: number | undefined;
  /** How an amount is written. */
  readonly format: (amount: number) => string;
}

/** Where nobody watches, a line every so often says that it still goes on. */
const lineEveryMs = 5_000;

/** A bar on a terminal; elsewhere a line every few seconds. Always on the error stream: the answer stays clean. */
export class Progress {
  readonly #cli: Cli;
  readonly #options: ProgressOptions;
  readonly #bar: SingleBar | undefined;
  #lastLineMs: number;

  constructor(cli: Cli, options: ProgressOptions) {
    this.#cli = cli;
    this.#options = options;
    this.#lastLineMs = cli.now();
    this.#bar = cli.stderr.isTTY === true && options.total !== undefined ? this.#startBar(options.total) : undefined;
  }

  /** `note` is said beside the amount: how many were stored, how many refused. */
  update(amount: number, note: string): void {
    if (this.#bar !== undefined) {
      this.#bar.update(amount, { note });
    } else if (this.#cli.now() - this.#lastLineMs >= lineEveryMs) {
      this.#lastLineMs = this.#cli.now();
      print(this.#cli.stderr, `${this.#options.label}: ${this.#amountOf(amount)}, ${note}`);
    }
  }

  stop(): void {
    this.#bar?.stop();
  }

  #startBar(total: number): SingleBar {
    const preset = coloured(this.#cli.stderr, this.#cli.env) ? cliProgress.Presets.shades_classic : cliProgress.Presets.legacy;
    const bar = new cliProgress.SingleBar(
      {
        stream: this.#cli.stderr as unknown as NodeJS.WritableStream,
        format: `${this.#options.label} {bar} {percentage}% | {note} | {eta_formatted}`,
        hideCursor: true,
        clearOnComplete: false,
      },
      preset,
    );
    bar.start(total, 0, { note: '' });
    return bar;
  }

  #amountOf(amount: number): string {
    const { total, format } = this.#options;
    if (total === undefined || total === 0) return format(amount);
    return `${format(amount)} of ${format(total)} (${Math.floor((100 * amount) / total)} %)`;
  }
}
