import type { SimulationOracle } from '../buggify.js';
import { OptionsError } from '../errors.js';
import type { Random } from '../random.js';

/** How often `buggify` takes the rare path. */
export interface BuggifyOptions {
  /** Chance that a site is active in this run at all: with all of them active, faults would mask one another. @default 0.25 */
  readonly siteChance?: number;
  /** Chance that an active site is true when it is passed. @default 0.25 */
  readonly passChance?: number;
}

interface Site {
  readonly active: boolean;
  readonly random: Random;
}

/** Answers `buggify` from one random stream per site, and counts `sometimes`. */
export class BuggifyOracle implements SimulationOracle {
  readonly #siteChance: number;
  readonly #passChance: number;
  readonly #random: (name: string) => Random;
  readonly #counts: Map<string, number>;
  readonly #sites = new Map<string, Site>();

  constructor(options: BuggifyOptions | undefined, random: (name: string) => Random, counts: Map<string, number>) {
    this.#siteChance = options === undefined ? 0 : chance('siteChance', options.siteChance ?? 0.25);
    this.#passChance = options === undefined ? 0 : chance('passChance', options.passChance ?? 0.25);
    this.#random = random;
    this.#counts = counts;
  }

  buggify(site: string): boolean {
    if (this.#siteChance === 0) return false;
    const { active, random } = this.#site(site);
    return random.chance(this.#passChance) && active;
  }

  sometimes(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  #site(name: string): Site {
    let site = this.#sites.get(name);
    if (site === undefined) {
      const random = this.#random(`buggify/${name}`);
      site = { active: random.chance(this.#siteChance), random };
      this.#sites.set(name, site);
    }
    return site;
  }
}

function chance(option: string, p: number): number {
  if (!(p >= 0 && p <= 1)) throw new OptionsError(option, `is a chance in [0, 1], not ${p}`);
  return p;
}
