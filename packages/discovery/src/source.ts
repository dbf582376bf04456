/**
 * One place that knows where peers may be: a list, a name in DNS, a registry, a multicast group. The drivers of this
 * package implement it; users may bring their own.
 *
 * A source only asks and tells. When to ask again, what to do with a failure, and what the answers of all sources amount
 * to is decided by the core of discovery.
 */
export interface DiscoverySource {
  /** What the source is called in health, metrics and logs: `static`, `dns`, …. Unique among the sources of one discovery. */
  readonly name: string;
  /** How often to ask when neither a TTL nor a watch says otherwise, in milliseconds. */
  readonly refreshMs: number;
  /** How long one look-up may take, in milliseconds. Then the signal aborts, and the look-up counts as failed whether or not it ends. */
  readonly timeoutMs: number;

  /** Asks once. Rejects with `EngramError` `discovery_failed` whose message says what was asked, where, and why it failed. */
  lookUp(options: SourceCallOptions): Promise<SourceAnswer>;

  /**
   * Follows the source: `emit` is given the whole answer each time it changed, the first time soon after the start.
   * Resolves or rejects when the watch has ended, for whatever reason; the core decides when to start it again. Calls of
   * `emit` after that, or after the signal aborted, are ignored.
   */
  watch?(emit: (answer: SourceAnswer) => void, options: SourceCallOptions): Promise<void>;

  /**
   * Makes this node findable through the source: a service in Consul, a key with a lease in etcd, an announcement on the
   * multicast group. Resolves when others can find it; keeping it so until `deregister` or `close` is the task of the source.
   * May be called again, which replaces what was registered before.
   */
  register?(self: SelfRegistration, options: SourceCallOptions): Promise<void>;

  /** Takes back what `register` did. Does nothing when nothing is registered. */
  deregister?(options: SourceCallOptions): Promise<void>;

  /** Frees sockets and clients. Called once, after which nothing else is called. Leaves a registration to expire by itself. */
  close?(): Promise<void>;
}

/** Given to each call of a source. */
export interface SourceCallOptions {
  /** Aborts when the time is up or the discovery stops. A source lets go of its sockets and timers then. */
  readonly signal: AbortSignal;
}

/** What a source says when it is asked, or when its watch tells of a change. */
export interface SourceAnswer {
  /** `host:port` or `[v6]:port`, as `createSwim` takes its seeds; the port 7946 when left out. Spelling, order and repetitions do not matter. */
  readonly endpoints: readonly string[];
  /** How long the answer is good for, in milliseconds. Asked again then, when that is sooner than `refreshMs`. */
  readonly ttlMs?: number;
  /** What an operator should know of the answer: that it was truncated, that a record was left out and why. */
  readonly notes?: readonly string[];
}

/** What a node tells about itself where it registers. */
export interface SelfRegistration {
  /** Name of the cluster. */
  readonly cluster: string;
  readonly nodeId: string;
  /** Advertised `host:port` of SWIM: what others find. */
  readonly swim: string;
  /** Advertised `host:port` of HTTP, for health checks made from outside. */
  readonly http?: string;
  /** Identity of the cluster once it is initialised. */
  readonly clusterId?: string;
}
