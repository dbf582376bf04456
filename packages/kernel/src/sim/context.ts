import type { Random } from '../random.js';
import type { Life } from './life.js';
import type { Timeline } from './timeline.js';
import type { TraceHash } from './trace-hash.js';
import type { TranscriptKind } from './transcript.js';

/** Something a node noted with `env.trace`. */
export interface TraceEvent {
  readonly atMs: number;
  readonly node: string;
  readonly what: string;
  readonly details: readonly (string | number)[];
}

/** Something that became of the process of a node, and when. A pause that overlaps another is told twice and ends once. */
export interface LifeEvent {
  readonly atMs: number;
  readonly node: string;
  readonly what: 'boot' | 'death' | 'pause' | 'resume';
}

/** What the parts of a world share. */
export interface SimContext {
  readonly timeline: Timeline;
  readonly hash: TraceHash;
  /** The life whose code is on the stack. */
  running: Life | undefined;
  random(name: string): Random;
  /** The stream of that name from its start, kept by whoever asks: links are too many to be looked up by name. */
  freshRandom(name: string): Random;
  /** False when nobody reads the transcript line; then the text need not be built. */
  wants(kind: TranscriptKind, node: string): boolean;
  note(node: string, what: string): void;
  /** Runs it with `buggify` and `sometimes` answered by this world. */
  withOracle(run: () => void): void;
  /** Told only when somebody listens. */
  readonly traced: ((event: TraceEvent) => void)[];
  readonly lived: ((event: LifeEvent) => void)[];
}

/** What an event was, as it enters the trace hash. Values are part of every stored hash: append only. */
export const codes = {
  timer: 1,
  datagram: 2,
  segment: 3,
  call: 4,
  boot: 5,
  death: 6,
  trace: 7,
  drop: 8,
  pause: 9,
  resume: 10,
  storage: 11,
  network: 12,
  clock: 13,
  streamNotice: 14,
} as const;
