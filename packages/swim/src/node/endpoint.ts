import { isIP, isIPv4, isIPv6, SocketAddress } from 'node:net';
import { EngramError, shown } from '@engram/kernel';
import { isAddress, type Address } from '../core/index.js';

/** The registered port of Serf and memberlist, taken when a seed names none. */
export const defaultSwimPort = 7_946;

/** A host and a port, the host an IPv4 or IPv6 literal without brackets, or a name. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `host:port`, `[v6]:port`, and both without a port. Throws `invalid_argument` naming `what` for anything else.
 * A bare IPv6 literal is taken as a host without a port, because its colons cannot be told from one.
 */
export function parseEndpoint(text: string, what: string, defaultPort: number = defaultSwimPort): Endpoint {
  const parts = typeof text === 'string' && isAddress(text) ? splitEndpoint(text) : undefined;
  const port = parts?.port === undefined ? defaultPort : Number(parts.port);
  if (parts && isHost(parts.host, parts.bracketed) && Number.isInteger(port) && port >= 0 && port <= 65_535) return { host: canonicalHost(parts.host), port };
  throw new EngramError('invalid_argument', `${what} must be "host:port", "1.2.3.4:port" or "[v6]:port"; got ${shown(text)}`, {
    hint: `Write ${what} like "10.0.0.5:7946" or "[fd00::5]:7946".`,
  });
}

/** The one spelling of an endpoint: what members advertise and what sockets report compare equal as text. */
export function addressOf(host: string, port: number): Address {
  return (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`) as Address;
}

/** The reverse of `addressOf`; undefined for text that is no endpoint. Nothing that came off the wire is thrown about. */
export function endpointOf(address: Address): Endpoint | undefined {
  const parts = splitEndpoint(address);
  const port = Number(parts?.port ?? NaN);
  return parts && isHost(parts.host, parts.bracketed) && Number.isInteger(port) && port >= 1 && port <= 65_535 ? { host: parts.host, port } : undefined;
}

/** Shortest lower-case IPv6; IPv4 written as IPv6, which is what a socket for both families reports, becomes IPv4 again. */
export function canonicalHost(host: string): string {
  if (!isIPv6(host)) return host.toLowerCase();
  const zone = host.indexOf('%');
  const literal = zone === -1 ? host : host.slice(0, zone);
  const canonical = new SocketAddress({ address: literal, family: 'ipv6' }).address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(canonical)?.[1];
  return mapped ?? (zone === -1 ? canonical : canonical + host.slice(zone));
}

export function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/** 4 or 6 for a literal, 0 for a name. */
export function familyOf(host: string): 0 | 4 | 6 {
  return isIPv4(host) ? 4 : isIPv6(host) ? 6 : 0;
}

interface EndpointText {
  readonly host: string;
  readonly bracketed: boolean;
  readonly port: string | undefined;
}

function splitEndpoint(text: string): EndpointText | undefined {
  if (isIPv6(text)) return { host: text, bracketed: true, port: undefined };
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text);
  if (bracketed) return { host: bracketed[1] ?? '', bracketed: true, port: bracketed[2] };
  const plain = /^([^:[\]]+)(?::(\d{1,5}))?$/.exec(text);
  return plain ? { host: plain[1] ?? '', bracketed: false, port: plain[2] } : undefined;
}

/** Letters, digits and hyphens in labels, as in RFC 1123; underscores are common inside container networks. */
const hostName = /^(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\.?$/;
/** Four or fewer numbers with dots are a mistyped address, never a name. */
const onlyNumbers = /^[0-9.]+$/;

function isHost(host: string, bracketed: boolean): boolean {
  if (bracketed) return isIPv6(host);
  return isIP(host) === 4 || (hostName.test(host) && !onlyNumbers.test(host));
}
