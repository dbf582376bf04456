import { OptionsError } from '../errors.js';

/**
 * How long a packet is under way: half of them between `minMs` and `medianMs`, nearly all below `p99Ms`, none beyond
 * `maxMs`. Between median and p99 the curve is close to a lognormal one.
 */
export interface DelayOptions {
  readonly minMs: number;
  readonly medianMs: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** One direction between two nodes. Chances lie in [0, 1] and are drawn for each packet. */
export interface LinkOptions {
  /** A number means exactly so many milliseconds. @default a local network: 0.1, 0.3, 2, 20 ms */
  readonly delay?: DelayOptions | number;
  /** Chance that a datagram is lost. A part of a stream is sent again instead, and so arrives late. @default 0 */
  readonly loss?: number;
  /** Chance that a datagram arrives twice. @default 0 */
  readonly duplicate?: number;
  /** Chance that a datagram is held back and overtaken; all others keep their order. @default 0 */
  readonly reorder?: number;
  /** How long one held back waits at most. @default 10 */
  readonly reorderMsMax?: number;
  /** Chance that one to eight bits of a datagram are flipped. Streams carry checksums and are spared. @default 0 */
  readonly corrupt?: number;
  /** Nothing passes in this direction; what is under way still arrives. @default false */
  readonly blocked?: boolean;
  /** Larger datagrams vanish. @default 65507, the largest that UDP over IPv4 knows */
  readonly datagramBytesMax?: number;
  /** How fast the link drains, headers not counted; Infinity is never congested. @default Infinity */
  readonly bytesPerSecond?: number;
  /** What may wait to be drained; a datagram that does not fit is dropped, a stream waits. @default 262144 */
  readonly queueBytesMax?: number;

  /** Chance that a connection is refused. Decided on the direction of the connecting end, as are the next three. @default 0 */
  readonly streamRefuse?: number;
  /** Chance that a connection opens and then nothing ever passes either way (half open). @default 0 */
  readonly streamHang?: number;
  /** Chance, for each write, that only a part of it arrives and both ends are reset. @default 0 */
  readonly streamReset?: number;
  /** Chance that the first bytes the accepting end writes are lost and both ends are reset: the work is done, the answer gone. @default 0 */
  readonly streamLoseReply?: number;
  /** After how long without progress an end is told `timeout`. @default 120000 */
  readonly streamTimeoutMs?: number;
  /** Bytes written and not yet read by the other end. @default 1048576 */
  readonly streamBufferBytesMax?: number;
}

/** Every option of a link with its value. */
export type ResolvedLinkOptions = Required<Omit<LinkOptions, 'delay'>> & { readonly delay: DelayOptions };

/** A local network without faults. */
export const defaultLinkOptions: ResolvedLinkOptions = Object.freeze({
  delay: Object.freeze({ minMs: 0.1, medianMs: 0.3, p99Ms: 2, maxMs: 20 }),
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderMsMax: 10,
  corrupt: 0,
  blocked: false,
  datagramBytesMax: 65_507,
  bytesPerSecond: Infinity,
  queueBytesMax: 262_144,
  streamRefuse: 0,
  streamHang: 0,
  streamReset: 0,
  streamLoseReply: 0,
  streamTimeoutMs: 120_000,
  streamBufferBytesMax: 1_048_576,
});

const chances = ['loss', 'duplicate', 'reorder', 'corrupt', 'streamRefuse', 'streamHang', 'streamReset', 'streamLoseReply'] as const;
const positives = ['datagramBytesMax', 'bytesPerSecond', 'queueBytesMax', 'streamTimeoutMs', 'streamBufferBytesMax'] as const;

/** `options` laid over `base`, checked. Throws `invalid_options` naming the field. */
export function resolveLinkOptions(options: LinkOptions, base: ResolvedLinkOptions = defaultLinkOptions): ResolvedLinkOptions {
  for (const name of Object.keys(options)) {
    if (!(name in defaultLinkOptions)) throw new OptionsError(name, 'is not an option of a link');
  }
  const { delay = base.delay, ...rest } = options;
  const resolved = { ...base, ...rest, delay: resolveDelay(delay) };
  for (const name of chances) {
    if (!(resolved[name] >= 0 && resolved[name] <= 1)) throw new OptionsError(name, `is a chance in [0, 1], not ${resolved[name]}`);
  }
  for (const name of positives) {
    if (!(resolved[name] > 0)) throw new OptionsError(name, `must be more than 0, not ${resolved[name]}`);
  }
  if (!(resolved.reorderMsMax >= 0)) throw new OptionsError('reorderMsMax', `must not be negative, got ${resolved.reorderMsMax}`);
  return resolved;
}

function resolveDelay(delay: DelayOptions | number): DelayOptions {
  const { minMs, medianMs, p99Ms, maxMs } = typeof delay === 'number' ? constantDelay(delay) : delay;
  const ordered = 0 <= minMs && minMs <= medianMs && medianMs <= p99Ms && p99Ms <= maxMs && maxMs <= delayMsMax;
  if (!ordered) throw new OptionsError('delay', `must have 0 <= minMs <= medianMs <= p99Ms <= maxMs <= ${delayMsMax}`);
  return { minMs, medianMs, p99Ms, maxMs };
}

/** An hour: far beyond any network, and a bound on how long a packet may be under way. */
const delayMsMax = 3_600_000;

function constantDelay(ms: number): DelayOptions {
  return { minMs: ms, medianMs: ms, p99Ms: ms, maxMs: ms };
}
