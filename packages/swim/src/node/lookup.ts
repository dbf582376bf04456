import { lookup as systemLookup } from 'node:dns/promises';
import { EngramError } from '@engram/kernel';
import { codeOf } from './udp-transport.js';

/** Every literal that a name stands for at the moment, in the system's order. Rejects when there is none. */
export type Lookup = (name: string) => Promise<readonly string[]>;

/** As the machine resolves names: its hosts file, then DNS. */
export const machineLookup: Lookup = async (name) => (await systemLookup(name, { all: true, verbatim: true })).map(({ address }) => address);

/**
 * `lookup` that does not wait longer than `limitMs`: the system's own limit is often half a minute. A lookup that is
 * given up goes on in the background, as nothing can stop it; its answer is dropped.
 */
export function lookupWithin(lookup: Lookup, name: string, limitMs: number, signal?: AbortSignal): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    const late = () => settle(() => reject(new EngramError('deadline_exceeded', `${name} was not resolved within ${limitMs} ms`, { details: { name } })));
    const aborted = () => settle(() => reject(signal?.reason));
    const timer = setTimeout(late, limitMs);
    const settle = (how: () => void): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', aborted);
      how();
    };
    if (signal?.aborted) return aborted();
    signal?.addEventListener('abort', aborted, { once: true });
    lookup(name).then(
      (literals) => settle(() => resolve(literals)),
      (error: unknown) => settle(() => reject(new EngramError('unavailable', `${name} cannot be resolved: ${codeOf(error)}`, { cause: error, details: { name } }))),
    );
  });
}
