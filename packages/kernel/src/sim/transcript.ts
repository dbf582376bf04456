import { OptionsError } from '../errors.js';

/** What a line can be about. */
export const transcriptKinds = ['life', 'fault', 'trace', 'datagram', 'stream', 'storage', 'timer'] as const;
/** One of them. */
export type TranscriptKind = (typeof transcriptKinds)[number];

/** Which lines are kept, and how many. */
export interface TranscriptOptions {
  /** The oldest lines make room for new ones. @default 10000 */
  readonly linesMax?: number;
  /** Only these kinds. @default all of them */
  readonly kinds?: readonly TranscriptKind[];
  /** Only what happens to these nodes, and what happens to the world as a whole. @default all nodes */
  readonly nodes?: readonly string[];
}

interface Line {
  readonly atUs: number;
  readonly node: string;
  readonly what: string;
}

/** What happened, for a person to read: time, node, what. The last `linesMax` lines of what was asked for. */
export class Transcript {
  readonly #linesMax: number;
  readonly #kinds: ReadonlySet<TranscriptKind>;
  readonly #nodes: ReadonlySet<string> | undefined;
  readonly #ring: Line[] = [];
  #written = 0;

  constructor(options: TranscriptOptions = {}) {
    this.#linesMax = options.linesMax ?? 10_000;
    if (!(Number.isSafeInteger(this.#linesMax) && this.#linesMax >= 1)) {
      throw new OptionsError('linesMax', `is a whole number from 1 on, not ${this.#linesMax}`);
    }
    this.#kinds = new Set(options.kinds ?? transcriptKinds);
    this.#nodes = options.nodes === undefined ? undefined : new Set(options.nodes);
  }

  /** Ask first: building the text of a line that nobody wants is most of its cost. An empty node is the world itself. */
  wants(kind: TranscriptKind, node: string): boolean {
    return this.#kinds.has(kind) && (this.#nodes === undefined || node === '' || this.#nodes.has(node));
  }

  /** Writes a line. Ask `wants` first. */
  note(atUs: number, node: string, what: string): void {
    this.#ring[this.#written++ % this.#linesMax] = { atUs, node, what };
  }

  /** How many lines had to make room. */
  get forgotten(): number {
    return Math.max(0, this.#written - this.#linesMax);
  }

  /** The lines that are left, oldest first. */
  lines(): string[] {
    const start = this.forgotten % this.#linesMax;
    const ordered = [...this.#ring.slice(start), ...this.#ring.slice(0, start)];
    const width = ordered.reduce((widest, line) => Math.max(widest, line.node.length), 0);
    return ordered.map(({ atUs, node, what }) => `${seconds(atUs)}  ${node.padEnd(width)}  ${what}`);
  }
}

/** Virtual time as people read it: seconds with all six decimals, right-aligned up to a day. */
export function seconds(atUs: number): string {
  return `${(atUs / 1_000_000).toFixed(6).padStart(12)} s`;
}
