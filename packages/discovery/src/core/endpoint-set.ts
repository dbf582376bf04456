/** What is known of peers at one moment: the union of what the sources answered last. */
export interface EndpointSet {
  /** Counts the changes of `endpoints`; 0 until a source has brought some, or all were heard and brought none. */
  readonly version: number;
  /** `host:port` or `[v6]:port` in one spelling each, without this node's own, in the order of their text. */
  readonly endpoints: readonly string[];
  /** For each endpoint the sources that named it, in the order of the sources. Has no prototype. */
  readonly bySource: Readonly<Record<string, readonly string[]>>;
  /** Whether every source answered when it was asked last, and nothing was left out for want of room. */
  readonly complete: boolean;
  /** Sources whose last look-up failed. What they answered before still counts. */
  readonly failures: readonly SourceFailure[];
}

/** A source that could not be asked, and why. */
export interface SourceFailure {
  readonly source: string;
  /** What was asked, where, and why it failed. */
  readonly reason: string;
  /** What to do next. */
  readonly hint: string;
}
