import { OptionsError } from '@engram/kernel';

/**
 * How the protocol is paced and bounded. All nodes of a cluster should agree on the pace; the bounds are each node's
 * own affair. Defaults are those of the `lan` preset.
 */
export interface SwimOptions {
  /** One member is probed per period. Shorter finds the dead sooner and costs packets in proportion. @default 1_000 */
  readonly periodMs?: number;
  /** How long a direct probe waits before others are asked to help; several round trips. @default 500 */
  readonly timeoutMs?: number;
  /** How many others are asked. @default 3 */
  readonly indirectProbes?: number;
  /** A stream is opened to whoever did not answer a datagram, so that a path that loses datagrams is not a death. @default true */
  readonly streamProbes?: boolean;
  /** The shortest suspicion is `suspicionMult · max(1, log10 members) · periodMs`. @default 4 */
  readonly suspicionMult?: number;
  /** The longest suspicion, without confirmations, is this many shortest ones. @default 6 */
  readonly suspicionMaxMult?: number;
  /** The local health score never exceeds this; period and timeout stretch by score + 1. 0 turns local health off. @default 8 */
  readonly healthScoreMax?: number;
  /** A wake that comes later than this is a stall of the event loop. @default half of timeoutMs */
  readonly stallMs?: number;
  /** For how long after a stall nobody is judged, unless the driver says sooner that the sockets are drained. @default 100 */
  readonly stallGraceMs?: number;
  /** How often news is spread besides riding on probes. @default 200 */
  readonly gossipMs?: number;
  /** To how many members each time. @default 3 */
  readonly gossipTo?: number;
  /** News rides `retransmitMult · ceil(log10(members + 1))` times from each member. @default 4 */
  readonly retransmitMult?: number;
  /** How often the whole view is compared with one other member's, while the pings of others do not show that it is the same. @default 30_000 */
  readonly syncMs?: number;
  /** How often one of the dead, the forgotten or the absent seeds is contacted, for ever; half to one and a half times this. @default 10_000 */
  readonly contactMs?: number;
  /** How long a stream may take from opening to its last frame. @default 5_000 */
  readonly streamTimeoutMs?: number;
  /** Leaving waits for this many peers to acknowledge it. @default 3 */
  readonly leaveConfirmations?: number;
  /** Leaving ends after this long, whoever has acknowledged it. @default 5_000 */
  readonly leaveTimeoutMs?: number;
  /** For how long those who left are remembered, so that no stale rumour revives them. At least ten times syncMs. @default 86_400_000 (24 h) */
  readonly leftMs?: number;
  /** For how long the dead are remembered as members. Their addresses are contacted afterwards too. @default 259_200_000 (72 h) */
  readonly deadMs?: number;

  /** The largest datagram we send, before encryption. @default 1_200 */
  readonly datagramBytesMax?: number;
  /** What the driver's encryption adds to each datagram; subtracted from the above. @default 0 */
  readonly datagramOverheadBytes?: number;
  /** The largest frame on a stream. @default 1_048_576 */
  readonly streamBytesMax?: number;
  /** How many members' digests one step of a full sync lists. Bounds how long one step computes. @default 128 */
  readonly syncEntriesMax?: number;
  /** Members of all states, ourselves included. @default 10_000 */
  readonly membersMax?: number;
  /** Metadata up to this length travels with the news; longer is pulled from its owner. @default 128 */
  readonly metadataInlineBytesMax?: number;
  /** All nodes of a cluster must agree on it: a node refuses packets that announce more. @default 16_384 */
  readonly metadataBytesMax?: number;
  /** The largest payload of a broadcast. It must fit a datagram beside the topic. @default 512 */
  readonly broadcastBytesMax?: number;
  /** Broadcasts that still have to ride; one more of our own is refused, one more of others drops the most travelled. @default 256 */
  readonly broadcastsMax?: number;
  /** Broadcasts remembered so that each is delivered once. @default 4_096 */
  readonly broadcastsRememberedMax?: number;
  /** The largest message to one member, sent by stream. @default 262_144 */
  readonly messageBytesMax?: number;
  /** Probes that we relay for others at one time. @default 1_024 */
  readonly relaysMax?: number;
  /** Streams that we have opened at one time. @default 64 */
  readonly streamsMax?: number;
  /** Addresses of seeds, and addresses remembered of forgotten members, each. @default 256 */
  readonly addressesMax?: number;
}

/** Every setting with its value. */
export type ResolvedSwimOptions = Required<SwimOptions>;

/** The name of a pace; see `swimPresets`. */
export type SwimPreset = 'fast' | 'lan' | 'wan';

/**
 * `fast`: a few machines side by side, a death is known to all within three seconds. `lan`: one data centre. `wan`:
 * across data centres.
 */
export const swimPresets: Readonly<Record<SwimPreset, SwimOptions>> = {
  fast: { periodMs: 250, timeoutMs: 120, indirectProbes: 3, suspicionMult: 4, gossipMs: 100, gossipTo: 3, syncMs: 10_000, contactMs: 5_000, streamTimeoutMs: 2_000 },
  lan: { periodMs: 1_000, timeoutMs: 500, indirectProbes: 3, suspicionMult: 4, gossipMs: 200, gossipTo: 3, syncMs: 30_000, contactMs: 10_000, streamTimeoutMs: 5_000 },
  wan: { periodMs: 5_000, timeoutMs: 3_000, indirectProbes: 3, suspicionMult: 6, gossipMs: 500, gossipTo: 4, syncMs: 60_000, contactMs: 20_000, streamTimeoutMs: 15_000, leaveTimeoutMs: 15_000 },
};

const zeroAllowed = new Set<keyof SwimOptions>(['indirectProbes', 'healthScoreMax', 'datagramOverheadBytes', 'metadataInlineBytesMax', 'leaveConfirmations', 'stallGraceMs']);

/** Throws OptionsError naming the field that is out of range or contradicts another. */
export function resolveSwimOptions(options: SwimOptions = {}): ResolvedSwimOptions {
  const given = { ...swimPresets.lan, ...options };
  const timeoutMs = given.timeoutMs ?? 500;
  const resolved: ResolvedSwimOptions = {
    periodMs: given.periodMs ?? 1_000,
    timeoutMs,
    indirectProbes: given.indirectProbes ?? 3,
    streamProbes: given.streamProbes ?? true,
    suspicionMult: given.suspicionMult ?? 4,
    suspicionMaxMult: given.suspicionMaxMult ?? 6,
    healthScoreMax: given.healthScoreMax ?? 8,
    stallMs: given.stallMs ?? Math.max(1, Math.round(timeoutMs / 2)),
    stallGraceMs: given.stallGraceMs ?? 100,
    gossipMs: given.gossipMs ?? 200,
    gossipTo: given.gossipTo ?? 3,
    retransmitMult: given.retransmitMult ?? 4,
    syncMs: given.syncMs ?? 30_000,
    contactMs: given.contactMs ?? 10_000,
    streamTimeoutMs: given.streamTimeoutMs ?? 5_000,
    leaveConfirmations: given.leaveConfirmations ?? 3,
    leaveTimeoutMs: given.leaveTimeoutMs ?? 5_000,
    leftMs: given.leftMs ?? 24 * 3_600_000,
    deadMs: given.deadMs ?? 72 * 3_600_000,
    datagramBytesMax: given.datagramBytesMax ?? 1_200,
    datagramOverheadBytes: given.datagramOverheadBytes ?? 0,
    streamBytesMax: given.streamBytesMax ?? 1_048_576,
    syncEntriesMax: given.syncEntriesMax ?? 128,
    membersMax: given.membersMax ?? 10_000,
    metadataInlineBytesMax: given.metadataInlineBytesMax ?? 128,
    metadataBytesMax: given.metadataBytesMax ?? 16_384,
    broadcastBytesMax: given.broadcastBytesMax ?? 512,
    broadcastsMax: given.broadcastsMax ?? 256,
    broadcastsRememberedMax: given.broadcastsRememberedMax ?? 4_096,
    messageBytesMax: given.messageBytesMax ?? 262_144,
    relaysMax: given.relaysMax ?? 1_024,
    streamsMax: given.streamsMax ?? 64,
    addressesMax: given.addressesMax ?? 256,
  };
  checkRanges(resolved);
  checkRelations(resolved);
  return resolved;
}

function checkRanges(resolved: ResolvedSwimOptions): void {
  for (const [name, value] of Object.entries(resolved) as [keyof SwimOptions, number | boolean][]) {
    if (typeof value === 'boolean') continue;
    const least = zeroAllowed.has(name) ? 0 : 1;
    if (!Number.isSafeInteger(value) || value < least) throw new OptionsError(name, `must be a whole number from ${least} on, not ${value}`);
  }
}

function checkRelations(o: ResolvedSwimOptions): void {
  if (o.timeoutMs >= o.periodMs) throw new OptionsError('timeoutMs', `must be shorter than periodMs (${o.periodMs}), so that relays have time to answer`);
  if (o.healthScoreMax > 64) throw new OptionsError('healthScoreMax', 'must be at most 64; 8 suits everybody');
  if (o.datagramBytesMax > 8_192) throw new OptionsError('datagramBytesMax', 'must be at most 8192; 1200 passes everywhere');
  const room = o.datagramBytesMax - o.datagramOverheadBytes;
  const least = datagramReservedBytes + Math.max(o.metadataInlineBytesMax, o.broadcastBytesMax);
  if (room < least) throw new OptionsError('datagramBytesMax', `must leave room for one piece of news, so at least ${least + o.datagramOverheadBytes}`);
  if (o.metadataInlineBytesMax > o.metadataBytesMax) throw new OptionsError('metadataInlineBytesMax', 'must not exceed metadataBytesMax');
  const frameLeast = 4_096 + Math.max(o.metadataBytesMax, o.messageBytesMax, o.syncEntriesMax * (datagramReservedBytes + o.metadataInlineBytesMax));
  if (o.streamBytesMax < frameLeast) throw new OptionsError('streamBytesMax', `must hold the largest message and a step of a full sync, so at least ${frameLeast}`);
  if (o.leftMs < 10 * o.syncMs) throw new OptionsError('leftMs', 'must be at least ten times syncMs, or a stale full sync revives those who left');
  if (o.deadMs < 10 * o.syncMs) throw new OptionsError('deadMs', 'must be at least ten times syncMs, or a stale full sync revives the dead');
  if (o.membersMax < 2) throw new OptionsError('membersMax', 'must be at least 2');
}

/** Header, sender, and what surrounds the payload of the largest single message: two ids, an address or a topic, numbers. */
export const datagramReservedBytes = 550;
