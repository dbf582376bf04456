import { EngramError, isWellFormed, OptionsError, shown } from '@engram/kernel';

export interface ApiAddressDefaults {
  readonly scheme: 'http' | 'https';
  readonly port: number;
}

/**
 * The address of an API as people write it: `host`, `host:port` or a whole URL. Throws an `OptionsError` naming the
 * option. An address with a password in it is refused and not repeated, since addresses are printed everywhere.
 */
export function apiAddress(option: string, address: string, defaults: ApiAddressDefaults): URL {
  if (address.includes('@')) throw new OptionsError(option, 'must not carry a user or a password; there are options of their own for those');
  const url = parsed(/^[a-z][a-z\d+.-]*:\/\//i.test(address) ? address : `${defaults.scheme}://${address}`);
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:') || url.search !== '' || url.hash !== '') {
    throw new OptionsError(option, `must be like "host:${defaults.port}" or "https://host:${defaults.port}", got ${shown(address)}`);
  }
  // URL leaves out a port that is usual for the scheme; only one that was never written gets the default.
  if (url.port === '' && !/:\d+\/?$/.test(address)) url.port = String(defaults.port);
  return url;
}

/**
 * Whether the name can be one part of a path. A dot and two dots cannot: they climb, and escaping does not change that,
 * since `%2e` counts as a dot (URL Standard, "double-dot URL path segment").
 */
export function isPathPart(name: string): boolean {
  return name !== '' && !/^(?:\.|%2e){1,2}$/i.test(name) && isWellFormed(name);
}

/** A path below the address, each part escaped, so that a name from outside cannot lead into another path. */
export function below(base: URL, parts: readonly string[], query: Readonly<Record<string, string | undefined>> = {}): URL {
  const stray = parts.find((part) => !isPathPart(part));
  if (stray !== undefined) throw new EngramError('discovery_failed', `the name ${shown(stray)} cannot stand in an address`, { hint: 'Choose another name.' });
  const url = new URL(base);
  url.pathname = [url.pathname.replace(/\/+$/, ''), ...parts.map(encodeURIComponent)].join('/');
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

function parsed(text: string): URL | undefined {
  try {
    return new URL(text);
  } catch {
    return undefined;
  }
}
