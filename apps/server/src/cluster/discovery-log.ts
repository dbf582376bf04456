import type { DiscoveryEvent } from '@engram/discovery';
import type { MembershipLog } from './swim-membership.js';

interface Told {
  readonly reason: string;
  readonly times: number;
}

/**
 * What discovery tells, in the log. Peers that come and go are told each time; a source that is gone for hours fails again
 * and again, so the same failure is told the first, second, fourth, eighth … time.
 */
export class DiscoveryLog {
  readonly #log: MembershipLog;
  /** By what it is about; there are few of these for each source. */
  readonly #told = new Map<string, Told>();

  constructor(log: MembershipLog) {
    this.#log = log;
  }

  note(event: DiscoveryEvent): void {
    const log = this.#log;
    switch (event.kind) {
      case 'endpoints-changed':
        for (const { endpoint, sources } of event.added) log.info({ endpoint, sources }, 'discovery found a peer');
        if (event.removed.length > 0) log.info({ endpoints: event.removed }, 'discovery no longer names these; those that are members stay members');
        return;
      case 'source-failed':
        if (this.#isWorthTelling(event)) log.warn({ source: event.source, reason: event.reason, hint: event.hint, failures: event.consecutiveFailures }, 'a source of discovery failed; what it said before still counts, and it is asked again');
        return;
      case 'source-recovered':
        this.#told.delete(`source-failed ${event.source}`);
        this.#told.delete(`watch-ended ${event.source}`);
        return log.info({ source: event.source, failures: event.afterFailures }, 'a source of discovery answers again');
      case 'watch-ended':
        if (this.#isWorthTelling(event)) log.info({ source: event.source, reason: event.reason }, 'a source of discovery is no longer watched; it is asked instead until the watch stands again');
        return;
      case 'registered':
        this.#told.delete(`registration-failed ${event.source}`);
        return log.info({ source: event.source }, 'registered this node with a source of discovery');
      case 'registration-failed':
        if (this.#isWorthTelling(event)) log.warn({ source: event.source, reason: event.reason, hint: event.hint }, 'this node could not be registered with a source of discovery; it is tried again');
        return;
    }
  }

  #isWorthTelling({ kind, source, reason = '' }: { readonly kind: string; readonly source: string; readonly reason?: string }): boolean {
    const about = `${kind} ${source}`;
    const before = this.#told.get(about);
    const times = before?.reason === reason ? before.times + 1 : 1;
    this.#told.set(about, { reason, times });
    return Number.isInteger(Math.log2(times));
  }
}
