/** What a command sees of the world. Tests hand in their own; `main.ts` hands in the process. */
export interface Cli {
  readonly stdin: AsyncIterable<Buffer | string>;
  readonly stdout: Stream;
  readonly stderr: Stream;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds on a monotonic axis. */
  readonly now: () => number;
  /** Resolves after `ms`, or at once when the signal aborts. */
  readonly pause: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** Aborts, with an {@link Interrupted}, when the user asks to stop what is going on. */
  readonly interrupted: AbortSignal;
}

/** The user pressed Ctrl-C. What was acknowledged until then is done. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';

  constructor() {
    super('interrupted');
  }
}

export interface Stream {
  /** Whether a person is looking: colours, progress bars and the width of the window are for people. */
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): boolean;
  once(event: 'drain', listener: () => void): unknown;
}

/** What the shell is told. 2 is what shells use for "you called me wrong". */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  degraded: 3,
  noQuorum: 4,
  /** 128 and the number of SIGINT, as shells have it. */
  interrupted: 130,
} as const;

/** Writes a line and, when the reader is slower than we are, waits for it. */
export async function printLine(stream: Stream, line: string): Promise<void> {
  if (!stream.write(`${line}\n`)) await new Promise<void>((resolve) => stream.once('drain', resolve));
}

export function print(stream: Stream, text: string): void {
  stream.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Colours only for eyes that want them. */
export function coloured(stream: Stream, env: Cli['env']): boolean {
  const refused = env['NO_COLOR'];
  return stream.isTTY === true && (refused === undefined || refused === '') && env['TERM'] !== 'dumb';
}
