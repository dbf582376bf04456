import { OptionsError, shown } from '@engram/kernel';
import { systemClock, systemRandom } from '@engram/kernel/node';
import { parseEndpoint } from '../core/index.js';
import type { CreateDiscoveryOptions, Discovery } from '../discovery.js';
import type { DiscoverySource } from '../source.js';
import { DiscoveryDriver } from './discovery-driver.js';
import { machineNameLookup } from './name-book.js';
import { OwnAddresses } from './own-addresses.js';

const sourcesMax = 16;

/**
 * Puts sources together. Nothing is asked before `start` or `discover`. Throws `invalid_options` or `invalid_argument`
 * naming what is wrong.
 */
export function createDiscovery(options: CreateDiscoveryOptions): Discovery {
  const { sources, self = [], endpointsMax = 1_024, refreshMinMs = 5_000, onEvent, lookup = machineNameLookup, random = systemRandom(), clock = systemClock } = options;
  checkSources(sources);
  checkCount('endpointsMax', endpointsMax);
  checkCount('refreshMinMs', refreshMinMs);
  self.forEach((address, i) => parseEndpoint(address, `self[${i}]`));
  return new DiscoveryDriver({ sources, core: { self, endpointsMax, refreshMinMs }, own: new OwnAddresses(self, lookup), random: random.fork('discovery'), clock, onEvent });
}

function checkSources(sources: readonly DiscoverySource[]): void {
  if (!Array.isArray(sources) || sources.length === 0 || sources.length > sourcesMax) throw new OptionsError('sources', `must be a list of 1 to ${sourcesMax} sources`);
  const names = new Set<string>();
  for (const [i, { name, refreshMs, timeoutMs }] of sources.entries()) {
    if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9_.-]{0,63}$/.test(name)) throw new OptionsError(`sources[${i}].name`, `must be lower-case letters, digits, "_", "." or "-"; got ${shown(name)}`);
    if (names.has(name)) throw new OptionsError(`sources[${i}].name`, `must be its own, but another source is called ${shown(name)}; give one of them another name`);
    names.add(name);
    checkCount(`sources[${i}].refreshMs`, refreshMs);
    checkCount(`sources[${i}].timeoutMs`, timeoutMs);
  }
}

/** A month is longer than anybody waits, and short enough for every clock. */
const countMax = 31 * 86_400_000;

function checkCount(option: string, value: number): void {
  if (!Number.isSafeInteger(value) || value < 1 || value > countMax) throw new OptionsError(option, `must be a whole number from 1 to ${countMax}, not ${shown(value)}`);
}
