import type { Random } from '../random.js';
import type { SimContext } from './context.js';
import type { DelayOptions, ResolvedLinkOptions } from './link-options.js';
import { TieSource } from './timeline.js';

/** Why a datagram never reached a handler. */
export const dropReasons = [
  /** Chance of the link. */
  'loss',
  /** The direction is blocked, or a partition lies between. */
  'blocked',
  /** Over `datagramBytesMax` of the link. */
  'too-large',
  /** The queue of the link is full. */
  'congested',
  /** Nobody owns the address. */
  'unreachable',
  /** The owner of the address is not running. */
  'dead',
  /** The owner is paused and its socket buffer full. */
  'buffer-full',
  /** The owner never called `onReceive`. */
  'not-listening',
  /** It lay in the socket buffer of a paused node when that was killed. */
  'killed',
] as const;
/** Why a datagram did not arrive. */
export type DropReason = (typeof dropReasons)[number];

/** What a link does to one datagram. */
export interface Fate {
  dropped: DropReason | undefined;
  /** Microseconds of virtual time. */
  arrivesAt: number;
  /** When a second copy arrives; 0 when there is none. */
  copyArrivesAt: number;
  corrupted: boolean;
}

/**
 * One direction between two nodes. Every datagram draws the same five words whatever the options are, so a chance can be
 * changed without shifting the fate of later datagrams; what only a rare one needs comes from a stream of its own.
 */
export class Link {
  options: ResolvedLinkOptions;
  /** Options are looked up again when the network has a newer version. */
  version: number;
  readonly ties: TieSource;
  readonly #from: string;
  readonly #to: string;
  readonly #context: Pick<SimContext, 'freshRandom'>;
  #usual: Random | undefined;
  #rare: Random | undefined;
  #streams: Random | undefined;
  #lastArrival = 0;
  #drainedAt = 0;

  constructor(from: string, to: string, options: ResolvedLinkOptions, version: number, tieKey: number, context: Pick<SimContext, 'freshRandom'>) {
    this.#from = from;
    this.#to = to;
    this.options = options;
    this.version = version;
    this.ties = new TieSource(tieKey);
    this.#context = context;
  }

  /** Decides about one datagram sent at `now`, writing into `fate` to spare an allocation for each. */
  judge(bytes: number, now: number, fate: Fate): void {
    const random = (this.#usual ??= this.#fresh(''));
    const options = this.options;
    const lost = occurs(options.loss, random.uint32());
    const doubled = occurs(options.duplicate, random.uint32());
    const heldBack = occurs(options.reorder, random.uint32());
    fate.corrupted = occurs(options.corrupt, random.uint32()) && bytes > 0;
    const delayUs = delayUsAt(options.delay, random.uint32() / 0x1_0000_0000);
    fate.dropped = this.#refusal(bytes, now) ?? (lost ? 'loss' : undefined);
    if (fate.dropped !== undefined) return;
    const arrival = this.enqueue(bytes, now) + delayUs;
    fate.arrivesAt = heldBack ? arrival + this.#extraUs() : this.inOrder(arrival);
    fate.copyArrivesAt = doubled ? fate.arrivesAt + this.#extraUs() : 0;
  }

  /** A copy with one to eight of its bits flipped. */
  flip(bytes: Uint8Array): Uint8Array {
    const random = this.#rareRandom();
    const flipped = bytes.slice();
    for (let flips = 1 + random.below(8); flips > 0; flips--) {
      const bit = random.below(bytes.length * 8);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    }
    return flipped;
  }

  /** For connections: a chance that is drawn whatever it is. */
  streamChance(p: number): boolean {
    return occurs(p, this.#streamRandom().uint32());
  }

  streamBelow(n: number): number {
    return this.#streamRandom().below(n);
  }

  streamDelayUs(): number {
    return delayUsAt(this.options.delay, this.#streamRandom().uint32() / 0x1_0000_0000);
  }

  /** Lets bytes into the queue of the link; returns when the last of them leaves it. */
  enqueue(bytes: number, now: number): number {
    if (this.options.bytesPerSecond === Infinity) return now;
    this.#drainedAt = Math.max(now, this.#drainedAt) + Math.ceil((bytes * 1_000_000) / this.options.bytesPerSecond);
    return this.#drainedAt;
  }

  /** Not before what was sent earlier: one microsecond behind it if need be, so that no tie can swap them. */
  inOrder(arrival: number): number {
    this.#lastArrival = Math.max(arrival, this.#lastArrival + 1);
    return this.#lastArrival;
  }

  #refusal(bytes: number, now: number): DropReason | undefined {
    const { blocked, datagramBytesMax, bytesPerSecond, queueBytesMax } = this.options;
    if (bytes > datagramBytesMax) return 'too-large';
    if (blocked) return 'blocked';
    if (bytesPerSecond === Infinity) return undefined;
    const queuedBytes = (Math.max(0, this.#drainedAt - now) * bytesPerSecond) / 1_000_000;
    return queuedBytes + bytes > queueBytesMax ? 'congested' : undefined;
  }

  #extraUs(): number {
    return 1 + Math.floor(this.#rareRandom().float() * this.options.reorderMsMax * 1_000);
  }

  #rareRandom(): Random {
    return (this.#rare ??= this.#fresh('/rare'));
  }

  #streamRandom(): Random {
    return (this.#streams ??= this.#fresh('/streams'));
  }

  #fresh(kind: string): Random {
    return this.#context.freshRandom(`link/${this.#from}>${this.#to}${kind}`);
  }
}

function occurs(p: number, word: number): boolean {
  return word < p * 0x1_0000_0000;
}

/**
 * The delay at quantile `u` in [0, 1), in whole microseconds. Only the four basic operations are used: they give the same
 * result everywhere, which logarithms do not promise.
 */
export function delayUsAt(delay: DelayOptions, u: number): number {
  return Math.round(delayMsAt(delay, u) * 1_000);
}

function delayMsAt({ minMs, medianMs, p99Ms, maxMs }: DelayOptions, u: number): number {
  if (u < 0.5) return minMs + (medianMs - minMs) * (u / 0.5);
  if (u >= 0.99) return p99Ms + (maxMs - p99Ms) * ((u - 0.99) / 0.01);
  // A slope, so that delays do not pile up at the median, and a sixth power: together they put the 90th percentile of the
  // default about where a lognormal through the same points has it.
  const along = (u - 0.5) / 0.49;
  const cubed = along * along * along;
  return medianMs + (p99Ms - medianMs) * (0.1 * along + 0.9 * cubed * cubed);
}
