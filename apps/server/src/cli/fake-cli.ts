/** The command line for tests: a world that remembers what was printed. */
import { EventEmitter } from 'node:events';
import { Interrupted, type Cli } from './cli.js';
import { runCli } from './program.js';
import type { Host } from './start.js';

export interface FakeCli extends Cli {
  readonly printed: { out: string; err: string };
  /** Milliseconds that `pause` was asked for; it never waits. */
  readonly pauses: number[];
  /** Presses Ctrl-C. */
  interrupt(): void;
  /** Moves `now`. */
  advance(ms: number): void;
}

export interface FakeCliOptions {
  readonly stdin?: string | AsyncIterable<Buffer | string>;
  readonly isTTY?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Called by each pause, with how many there were before. */
  readonly onPause?: (before: number, cli: FakeCli) => void;
  /** Hands out the world before the command runs. */
  readonly onStart?: (cli: FakeCli) => void;
}

export function fakeCli({ stdin = '', isTTY = false, env = {}, onPause }: FakeCliOptions = {}): FakeCli {
  const printed = { out: '', err: '' };
  const interruption = new AbortController();
  let nowMs = 0;
  const cli: FakeCli = {
    stdin: typeof stdin === 'string' ? pieces(stdin) : stdin,
    stdout: { isTTY, columns: 100, write: (text) => ((printed.out += text), true), once: () => undefined },
    stderr: { isTTY, columns: 100, write: (text) => ((printed.err += text), true), once: () => undefined },
    env,
    now: () => nowMs,
    pauses: [],
    pause: async (ms) => {
      onPause?.(cli.pauses.length, cli);
      cli.pauses.push(ms);
    },
    interrupted: interruption.signal,
    interrupt: () => interruption.abort(new Interrupted()),
    printed,
    advance: (ms) => void (nowMs += ms),
  };
  return cli;
}

/** A process to start in, with the exit codes it was asked for. */
export class FakeHost extends EventEmitter {
  readonly exits: number[] = [];

  exit(code: number): void {
    this.exits.push(code);
  }
}

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function run(argv: readonly string[], options: FakeCliOptions = {}): Promise<Ran> {
  const cli = fakeCli(options);
  options.onStart?.(cli);
  const code = await runCli(argv, cli, new FakeHost() as unknown as Host);
  return { code, ...cli.printed };
}

async function* pieces(text: string): AsyncGenerator<Buffer> {
  if (text !== '') yield Buffer.from(text);
}
