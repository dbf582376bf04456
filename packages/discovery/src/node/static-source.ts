import { EngramError, OptionsError } from '@engram/kernel';
import { familyOf, parseEndpoint, spelled } from '../core/index.js';
import type { DiscoverySource, SourceAnswer, SourceCallOptions } from '../source.js';
import { machineNameLookup, NameBook, type NameLookup } from './name-book.js';
import { checkWhole, type SourceTiming } from './source-options.js';

/** The list, and who looks up its names. */
export interface StaticSourceOptions extends SourceTiming {
  /** `host:port`, `1.2.3.4:port` or `[v6]:port`; the port 7946 when left out. At most 256. */
  readonly seeds: readonly string[];
  /** @default the machine's resolver */
  readonly lookup?: NameLookup;
}

const seedsMax = 256;

/**
 * A list of addresses. Names are looked up at each refresh; one that stops resolving keeps the addresses it had. The
 * look-up fails only when there are seeds and nothing is known of any. Throws `invalid_argument` naming a seed that is none.
 */
export function staticSource(options: StaticSourceOptions): DiscoverySource {
  const { name = 'static', refreshMs = 30_000, timeoutMs = 2_000, seeds, lookup = machineNameLookup } = options;
  if (!Array.isArray(seeds) || seeds.length > seedsMax) throw new OptionsError('seeds', `must be a list of at most ${seedsMax} addresses`);
  checkWhole('timeoutMs', timeoutMs, 10, 600_000);
  const endpoints = seeds.map((seed, i) => parseEndpoint(seed, `seeds[${i}]`));
  const names = [...new Set(endpoints.map(({ host }) => host).filter((host) => familyOf(host) === 0))];
  const book = new NameBook(lookup);

  return {
    name,
    refreshMs,
    timeoutMs,
    async lookUp({ signal }: SourceCallOptions): Promise<SourceAnswer> {
      const found = new Map(await allWithin(names, timeoutMs * 0.9, signal, (host, givenUp) => book.find(host, givenUp)));
      const answer = endpoints.flatMap(({ host, port }) => (found.get(host)?.literals ?? [host]).map((literal) => spelled({ host: literal, port })));
      const notes = [...found].flatMap(([host, { literals, problem }]) => (problem === undefined ? [] : [`${host} cannot be resolved (${problem})${literals.length > 0 ? '; its last addresses are used' : ''}`]));
      if (answer.length > 0 || seeds.length === 0) return { endpoints: answer, notes };
      throw new EngramError('discovery_failed', `${name}: none of the seeds can be resolved: ${notes.join(', ')}`, {
        hint: 'Check the spelling of the seeds and the resolver of this machine; they are looked up again by themselves.',
      });
    },
  };
}

/** Finds each name; at the limit, or when the signal aborts, those that are not found yet are given up. */
async function allWithin<T>(names: readonly string[], limitMs: number, signal: AbortSignal, find: (name: string, givenUp: Promise<void>) => Promise<T>): Promise<(readonly [string, T])[]> {
  let giveUp: () => void = () => undefined;
  const givenUp = new Promise<void>((resolve) => (giveUp = resolve));
  const timer = setTimeout(giveUp, limitMs);
  signal.addEventListener('abort', giveUp, { once: true });
  try {
    signal.throwIfAborted();
    return await Promise.all(names.map(async (name) => [name, await find(name, givenUp)] as const));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', giveUp);
  }
}
