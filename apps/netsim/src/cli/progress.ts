import cliProgress from 'cli-progress';
import { print, type Cli } from './cli.js';

/** Where nobody watches, a line every so often says that it still goes on. */
const lineEveryMs = 10_000;

/** A bar on a terminal; elsewhere a line now and then. On the error stream: the answer stays clean. */
export class Progress {
  readonly #cli: Cli;
  readonly #total: number;
  readonly #bar: cliProgress.SingleBar | undefined;
  #lastLineMs: number;
  #done = 0;

  constructor(cli: Cli, total: number) {
    this.#cli = cli;
    this.#total = total;
    this.#lastLineMs = cli.now();
    if (cli.stderr.isTTY === true) {
      this.#bar = new cliProgress.SingleBar({ format: '{bar} {value}/{total} runs, {note} | {eta_formatted} left', hideCursor: true, stream: cli.stderr as NodeJS.WriteStream }, cliProgress.Presets.shades_classic);
      this.#bar.start(total, 0, { note: '0 failed' });
    }
  }

  step(note: string): void {
    this.#done++;
    this.#bar?.update(this.#done, { note });
    if (this.#bar || this.#cli.now() - this.#lastLineMs < lineEveryMs) return;
    this.#lastLineMs = this.#cli.now();
    print(this.#cli.stderr, `${this.#done} of ${this.#total} runs, ${note}`);
  }

  stop(): void {
    this.#bar?.stop();
  }
}
