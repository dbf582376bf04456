import type { Clock, Random } from '@engram/kernel';
import type { DiscoverySource, SelfRegistration } from './source.js';
import type { EndpointSet, SourceFailure } from './core/index.js';
import type { NameLookup } from './node/name-book.js';

/** Which sources are asked, and the bounds of what is kept of their answers. */
export interface CreateDiscoveryOptions {
  /** Asked in parallel; the union of their answers counts. At least one, at most 16. */
  readonly sources: readonly DiscoverySource[];
  /** Addresses of this node, left out of every set, and so are the addresses behind its names. What `register` is given is left out as well. @default [] */
  readonly self?: readonly string[];
  /** Looks up the names among them. @default the machine's resolver */
  readonly lookup?: NameLookup;
  /** Endpoints kept. Sources share the room fairly: one with many never pushes out one with few. @default 1_024 */
  readonly endpointsMax?: number;
  /** No source is asked more often than this because of a short TTL, unless no peer is known. @default 5_000 */
  readonly refreshMinMs?: number;
  /** Told what an operator would want to read in the log. Must not throw. @default nobody */
  readonly onEvent?: (event: DiscoveryEvent) => void;
  /** @default a stream from the system's entropy */
  readonly random?: Random;
  /** @default the machine's */
  readonly clock?: Clock;
}

/** Worth a line in a log: what came and went, through which source, and which source fails or works again. */
export type DiscoveryEvent =
  | { readonly kind: 'endpoints-changed'; readonly added: readonly FoundEndpoint[]; readonly removed: readonly string[]; readonly set: EndpointSet }
  | { readonly kind: 'source-failed'; readonly source: string; readonly reason: string; readonly hint: string; readonly consecutiveFailures: number }
  | { readonly kind: 'source-recovered'; readonly source: string; readonly afterFailures: number }
  | { readonly kind: 'watch-ended'; readonly source: string; readonly reason?: string }
  | { readonly kind: 'registered'; readonly source: string }
  | { readonly kind: 'registration-failed'; readonly source: string; readonly reason: string; readonly hint: string };

/** An endpoint, and the sources that name it. */
export interface FoundEndpoint {
  readonly endpoint: string;
  readonly sources: readonly string[];
}

/** How long to wait for an answer. */
export interface DiscoverOptions {
  readonly signal?: AbortSignal;
  /** Sources that have not answered by then count as failed in what is returned; they are not interrupted. @default the longest limit among the sources */
  readonly timeoutMs?: number;
}

/** How one source stands. */
export interface SourceHealth {
  readonly source: string;
  /** `waiting`: never heard; `ok`: the last look-up succeeded; `failing`: it failed, and what was answered before still counts. */
  readonly state: 'waiting' | 'ok' | 'failing';
  /** Endpoints in the last answer, this node's own included. */
  readonly total: number;
  /** How many of them `isReachable` is true of; absent when nobody said who is reachable. */
  readonly reachable?: number;
  readonly watching: boolean;
  readonly registered: boolean;
  /** Milliseconds since 1970 of the last answer. */
  readonly lastRefreshAtMs?: number;
  /** Milliseconds since 1970; absent while the source is being asked and when the discovery is not started. */
  readonly nextRefreshAtMs?: number;
  /** Of the last failure, kept until an answer comes. */
  readonly lastError?: string;
  readonly consecutiveFailures: number;
  /** Of the last answer. */
  readonly notes: readonly string[];
}

/** How all sources stand. */
export interface DiscoveryHealth {
  readonly sources: readonly SourceHealth[];
  readonly endpoints: number;
  /** As in the current set. */
  readonly complete: boolean;
}

/** Who knows which endpoints are reachable: discovery itself does not. */
export interface HealthOptions {
  /** Whether the membership holds a peer alive at this endpoint. */
  readonly isReachable?: (endpoint: string) => boolean;
}

/** What one source was asked and answered, as counters since the creation. */
export interface SourceMetrics {
  readonly source: string;
  readonly attempts: number;
  readonly successes: number;
  readonly failures: number;
  /** Answers that a watch pushed. */
  readonly pushes: number;
  readonly peers: number;
  /** Seconds that look-ups took, those that failed included. */
  readonly durationSeconds: HistogramSnapshot;
}

/** Counts of values up to and including each bound, cumulative as Prometheus has them. */
export interface HistogramSnapshot {
  readonly buckets: readonly { readonly le: number; readonly count: number }[];
  readonly count: number;
  readonly sum: number;
}

/** What all sources were asked and answered. */
export interface DiscoveryMetrics {
  readonly sources: readonly SourceMetrics[];
  /** Endpoints in the current set. */
  readonly peers: number;
}

/** Where each source stands after `register` tried it once. Those that failed are tried again until `deregister` or `stop`. */
export interface RegistrationOutcome {
  readonly registered: readonly string[];
  readonly failures: readonly SourceFailure[];
}

/** Several sources as one: the union of what they say, kept up to date. Made by `createDiscovery`. */
export interface Discovery extends AsyncIterable<EndpointSet>, AsyncDisposable {
  /** Begins to ask, to watch and to refresh. Does nothing when already started. */
  start(): void;
  /** Asks every source now, in parallel. Never rejects because of a source: those are in `failures`. Works without `start`, too. */
  discover(options?: DiscoverOptions): Promise<EndpointSet>;
  /** The current set once there is one, then each later one. A slow consumer gets the newest and misses those between. Ends with `stop`. */
  changes(options?: { readonly signal?: AbortSignal }): AsyncIterable<EndpointSet>;
  /** Endpoints as `createSwim` takes its seeds: at most `max` of each set, chosen and ordered at random. @default max 256 */
  seeds(options?: { readonly max?: number; readonly signal?: AbortSignal }): AsyncIterable<readonly string[]>;
  readonly current: EndpointSet;
  /** How each source stands now, a snapshot. */
  health(options?: HealthOptions): DiscoveryHealth;
  /** Counters so far, a snapshot. */
  metrics(): DiscoveryMetrics;
  /** Registers this node with every source that can do it. Resolves when each was tried once. */
  register(self: SelfRegistration): Promise<RegistrationOutcome>;
  /** Takes the registrations back, each within its source's limit; resolves to what failed. */
  deregister(): Promise<readonly SourceFailure[]>;
  /** Stops asking and closes the sources. Registrations that were not taken back are left to expire. */
  stop(): Promise<void>;
}
