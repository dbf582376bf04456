/** What a command sees of the world. Specs hand in their own; `main.ts` hands in the process. */
export interface Cli {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Milliseconds on a monotonic axis. */
  readonly now: () => number;
  /** The script that worker processes run, and what Node needs to run it. */
  readonly script: string;
  readonly execArgv: readonly string[];
}

export interface Output {
  readonly isTTY?: boolean;
  write(text: string): boolean;
}

/** What the shell is told. */
export const exitCodes = {
  passed: 0,
  /** A checker has found a violation, or a replay went another way. */
  failed: 1,
  /** Nothing was violated and nothing was shown: too few faults, drops or probes. */
  void: 2,
  /** EX_USAGE of sysexits.h: the command line or a file makes no sense. */
  usage: 64,
} as const;

export function print(output: Output, text: string): void {
  output.write(`${text}\n`);
}
