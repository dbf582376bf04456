import { EngramError, shown } from '@engram/kernel';

/** The port that the membership listens on unless told otherwise, taken when an address names none. */
export const defaultPort = 7_946;

/** The host is an IPv4 or IPv6 literal without brackets, or a name. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Longer than any address can be: a name of 253 characters, brackets, a zone and a port. */
const endpointCharactersMax = 320;

/** Reads `host:port`, `[v6]:port`, and both without a port. Throws `invalid_argument` naming `what` for anything else. */
export function parseEndpoint(text: string, what: string, portWhenNone: number = defaultPort): Endpoint {
  const endpoint = readEndpoint(text, portWhenNone);
  if (endpoint) return endpoint;
  throw new EngramError('invalid_argument', `${what} must be "host:port", "1.2.3.4:port" or "[v6]:port"; got ${shown(text)}`, {
    hint: `Write ${what} like "10.0.0.5:7946", "[fd00::5]:7946" or "engram-0.example.com:7946".`,
  });
}

/**
 * The same for what came from elsewhere: undefined for anything that is no endpoint. A bare IPv6 literal is a host without
 * a port, because its colons cannot be told from one. The host comes back in its one spelling.
 */
export function readEndpoint(text: unknown, portWhenNone: number = defaultPort): Endpoint | undefined {
  const parts = typeof text === 'string' && text.length <= endpointCharactersMax ? split(text) : undefined;
  const host = parts && canonicalHost(parts.host);
  if (!parts || host === undefined || (parts.bracketed && !parts.host.includes(':'))) return undefined;
  const port = parts.port === undefined ? portWhenNone : Number(parts.port);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** The one spelling of an endpoint: equal endpoints are equal text. */
export function spelled({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** 4 or 6 for a literal in its one spelling, 0 for a name. */
export function familyOf(host: string): 0 | 4 | 6 {
  if (host.includes(':')) return 6;
  return ipv4(host) ? 4 : 0;
}

/**
 * The one spelling of a host; undefined when it is none. Names in lower case; IPv6 as RFC 5952 has it, an IPv4 address
 * written as IPv6 as the IPv4 address that it is. A trailing dot stays: without it, a name may mean another one.
 */
export function canonicalHost(host: string): string | undefined {
  if (host.includes(':')) return canonicalIpv6(host);
  if (ipv4(host)) return host;
  return hostName.test(host) && !onlyNumbers.test(host) ? host.toLowerCase() : undefined;
}

interface EndpointText {
  readonly host: string;
  readonly bracketed: boolean;
  readonly port: string | undefined;
}

function split(text: string): EndpointText | undefined {
  const bracketed = /^\[([^[\]]+)\](?::(\d{1,5}))?$/.exec(text);
  if (bracketed) return { host: bracketed[1] ?? '', bracketed: true, port: bracketed[2] };
  const plain = /^([^:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  if (plain) return { host: plain[1] ?? '', bracketed: false, port: plain[2] };
  return text.includes('[') || text.includes(']') ? undefined : { host: text, bracketed: true, port: undefined };
}

/** Letters, digits and hyphens in labels, as in RFC 1123; underscores are common inside container networks. */
const hostName = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*\.?$/;
/** Numbers with dots that are no address are a mistyped address, never a name. */
const onlyNumbers = /^[0-9.]+$/;

/** The four bytes; undefined when it is no IPv4 literal. Leading zeros are refused: some read them as octal. */
function ipv4(text: string): readonly number[] | undefined {
  const bytes = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1);
  return bytes?.every((byte) => Number(byte) <= 255 && String(Number(byte)) === byte) ? bytes.map(Number) : undefined;
}

function canonicalIpv6(text: string): string | undefined {
  const [literal = '', zone, ...rest] = text.split('%');
  const groups = ipv6Groups(literal);
  if (!groups || rest.length > 0 || (zone !== undefined && !/^[0-9A-Za-z._-]{1,32}$/.test(zone))) return undefined;
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return zone === undefined ? groups.slice(6).flatMap((group) => [group >> 8, group & 255]).join('.') : undefined;
  }
  return zone === undefined ? writtenIpv6(groups) : `${writtenIpv6(groups)}%${zone}`;
}

function ipv6Groups(text: string): readonly number[] | undefined {
  const halves = text.split('::');
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map((half, i) => groupsOf(half, i === halves.length - 1));
  if (!head || (halves.length === 2 && !tail)) return undefined;
  const missing = 8 - head.length - (tail?.length ?? 0);
  // The double colon stands for one group of zeros at least.
  if (halves.length === 1 ? missing !== 0 : missing < 1) return undefined;
  return [...head, ...Array<number>(missing).fill(0), ...(tail ?? [])];
}

/** Groups of one side of the double colon. Only at the very end may the last two be written as IPv4. */
function groupsOf(half: string, isLast: boolean): readonly number[] | undefined {
  if (half === '') return [];
  const groups: number[] = [];
  const texts = half.split(':');
  for (const [i, text] of texts.entries()) {
    const bytes = isLast && i === texts.length - 1 ? ipv4(text) : undefined;
    if (bytes) groups.push((bytes[0] as number) * 256 + (bytes[1] as number), (bytes[2] as number) * 256 + (bytes[3] as number));
    else if (/^[0-9a-fA-F]{1,4}$/.test(text)) groups.push(parseInt(text, 16));
    else return undefined;
  }
  return groups;
}

/** RFC 5952: no leading zeros, lower case, and the first longest run of two or more zero groups shortened. */
function writtenIpv6(groups: readonly number[]): string {
  let [start, length] = [0, 1];
  for (let from = 0; from < 8; from++) {
    let to = from;
    while (to < 8 && groups[to] === 0) to++;
    if (to - from > length) [start, length] = [from, to - from];
  }
  const hex = groups.map((group) => group.toString(16));
  return length < 2 ? hex.join(':') : `${hex.slice(0, start).join(':')}::${hex.slice(start + length).join(':')}`;
}
