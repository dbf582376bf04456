/** Guesses at what a person meant by a value that breaks its rule, as sentences for the end of the complaint. */
import { isDnsName, parseAddress } from './address.js';
import { nearest } from './nearest.js';

/** What is missing to make it an address, when that can be told: the port, the brackets, or that a URL is none. */
export function wholeAddress(written: unknown, like = '127.0.0.1:7432'): string | undefined {
  if (typeof written !== 'string') return undefined;
  const withoutScheme = /^[a-z]+:\/\/([^/@]+)\/?$/i.exec(written)?.[1];
  const candidates = [
    withoutScheme,
    `${written}:${like.slice(like.lastIndexOf(':') + 1)}`,
    written.replace(/^([0-9A-Fa-f:]*:[0-9A-Fa-f:]*):(\d+)$/, '[$1]:$2'),
  ];
  const whole = candidates.find((candidate) => candidate !== undefined && candidate !== written && parseAddress(candidate) !== undefined);
  return whole === undefined ? undefined : `Did you mean "${whole}"?`;
}

export function bareName(written: unknown): string | undefined {
  if (typeof written !== 'string') return undefined;
  const address = parseAddress(written);
  if (address !== undefined && isDnsName(address.host)) return `Did you mean "${address.host}"? The port is a key of its own, and SRV records bring theirs.`;
  return address === undefined && !/^[\d.:[\]]+$/.test(written) ? undefined : 'Addresses that are known are seeds: list them in cluster.discovery.static.seeds.';
}

export function nearestOf(written: unknown, of: readonly string[]): string | undefined {
  const meant = typeof written === 'string' ? nearest(written.toLowerCase(), of) : undefined;
  return meant === undefined ? undefined : `Did you mean "${meant}"?`;
}

export function firstOf(written: unknown, suggest: (item: unknown) => string | undefined): string | undefined {
  if (!Array.isArray(written)) return undefined;
  for (const item of written as unknown[]) {
    const suggestion = suggest(item);
    if (suggestion !== undefined) return suggestion;
  }
  return undefined;
}
