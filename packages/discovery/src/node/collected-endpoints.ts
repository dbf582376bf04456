import { canonicalHost, spelled } from '../core/endpoint.js';
import type { SourceAnswer } from '../source.js';

/** Endpoints that one source may answer with; those beyond are left out with a note. */
export const sourceEndpointsMax = 1_024;

/** Different reasons for leaving something out that are told; a registry full of rubbish must not flood the health page. */
const reasonsMax = 8;

/** Longer than any host can be. */
const hostCharactersMax = 320;

/**
 * Gathers what a registry answered into a `SourceAnswer`: each endpoint once, at most 1,024, and for whatever was left
 * out a note that counts it by reason. Entries come from outside, so every value is of unknown type until looked at.
 */
export class CollectedEndpoints {
  readonly #endpoints = new Set<string>();
  readonly #leftOut = new Map<string, number>();
  #beyond = 0;

  /** `host` is an address or a name, `port` a number from 1 to 65535. */
  add(host: unknown, port: unknown): void {
    const canonical = usableHost(host);
    if (canonical === undefined) return this.leaveOut('without a usable address');
    if (!isPort(port)) return this.leaveOut('without a usable port');
    const endpoint = spelled({ host: canonical, port });
    if (this.#endpoints.has(endpoint)) return;
    if (this.#endpoints.size >= sourceEndpointsMax) this.#beyond += 1;
    else this.#endpoints.add(endpoint);
  }

  /** Counts an entry that brings no endpoint. The reason continues "3 entries left out, …": `without a usable port`. */
  leaveOut(reason: string, count = 1): void {
    if (!this.#leftOut.has(reason) && this.#leftOut.size >= reasonsMax) reason = 'for other reasons';
    this.#leftOut.set(reason, (this.#leftOut.get(reason) ?? 0) + count);
  }

  answer(notes: readonly string[] = []): SourceAnswer {
    const all = [...notes];
    if (this.#beyond > 0) all.push(`${counted(this.#beyond, 'endpoint')} left out, beyond the limit of ${sourceEndpointsMax}`);
    for (const [reason, count] of this.#leftOut) all.push(`${counted(count, 'entry')} left out, ${reason}`);
    return { endpoints: [...this.#endpoints], ...(all.length === 0 ? {} : { notes: all }) };
  }
}

/** Whether the value can be a port that something listens on. */
function isPort(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65_535;
}

function usableHost(host: unknown): string | undefined {
  const canonical = typeof host === 'string' && host.length <= hostCharactersMax ? canonicalHost(host) : undefined;
  // An unspecified address says where a server listens, not where it is; one with a zone is of this machine alone.
  return canonical === '0.0.0.0' || canonical === '::' || canonical?.includes('%') ? undefined : canonical;
}

function counted(count: number, noun: string): string {
  if (count === 1) return `1 ${noun}`;
  return `${count} ${noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
}
