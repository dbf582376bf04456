/** Where to listen or whom to call: a host and a port, written `host:port` or `[IPv6]:port`. */
export interface Address {
  readonly host: string;
  /** 0 asks the operating system for any free port. */
  readonly port: number;
}

const hostName = /^(?=.{1,253}$)[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?)*$/;
const ipv6 = /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*(%[A-Za-z0-9]+)?$/;

/**
 * Returns undefined when the text is not an address. A bare `:port` is not one: some programs read it as every
 * interface and some as loopback, and a guess in either direction is somebody's surprise.
 */
export function parseAddress(text: string): Address | undefined {
  const match = /^(?:\[([^\]]*)\]|([^[\]:]*)):(\d{1,5})$/.exec(text.trim());
  if (match === null) return undefined;
  const [, bracketed, plain, digits] = match;
  const port = Number(digits);
  if (port > 65_535) return undefined;
  if (bracketed !== undefined) return ipv6.test(bracketed) ? { host: bracketed, port } : undefined;
  return plain !== undefined && hostName.test(plain) ? { host: plain, port } : undefined;
}

export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** A port alone, as a number or as its digits; undefined when it is none. */
export function parsePort(written: unknown): number | undefined {
  if (typeof written !== 'string' && typeof written !== 'number') return undefined;
  const digits = String(written).trim();
  return /^\d{1,5}$/.test(digits) && Number(digits) <= 65_535 ? Number(digits) : undefined;
}

/** Whether DNS can be asked for it: a name, possibly with a dot at its end, and not an IPv4 address. */
export function isDnsName(name: string): boolean {
  return hostName.test(name.replace(/\.$/, '')) && !/^\d{1,3}(\.\d{1,3}){3}$/.test(name);
}

/** Whether datagrams to it go to a group: 224.0.0.0/4 and ff00::/8. */
export function isMulticast(host: string): boolean {
  return /^(22[4-9]|23\d)(\.\d{1,3}){3}$/.test(host) || /^ff[0-9a-f]{2}:/i.test(host);
}

/** Whether only programs on this machine can reach the host. A name other than `localhost` may point anywhere. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host) || /^::ffff:127(\.\d{1,3}){3}$/i.test(host);
}

/** Whether the host stands for every interface of the machine. */
export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}
