import { OptionsError } from '../errors.js';
import type { NodePattern } from './faults.js';
import { resolveLinkOptions, type LinkOptions, type ResolvedLinkOptions } from './link-options.js';

interface Rule {
  readonly from: NodePattern;
  readonly to: NodePattern;
  readonly link: LinkOptions;
}

/** Rules of one layer at a time; a schedule that needs more disturbs every pair of a large cluster one by one. */
const rulesMax = 100_000;

/**
 * What is asked of which direction, in layers: the defaults of the world, what was configured for good, what disturbs
 * for a while, who is cut off from whom. Later rules win field by field. `version` grows with every change.
 */
export class LinkRules {
  version = 1;
  readonly #defaults: ResolvedLinkOptions;
  /** By `from to`, so that saying it again replaces it; in the order of saying. */
  readonly #configured = new Map<string, Rule>();
  readonly #disturbed = new Map<string, Rule>();
  readonly #blocked = new Set<string>();
  /** The groups of the partition that each named node belongs to. */
  #groupsOf = new Map<string, ReadonlySet<number>>();

  constructor(defaults: LinkOptions) {
    this.#defaults = resolveLinkOptions(defaults);
  }

  configure(from: NodePattern, to: NodePattern, link: LinkOptions): void {
    this.#say(this.#configured, { from, to, link });
  }

  disturb(from: NodePattern, to: NodePattern, link: LinkOptions): void {
    this.#say(this.#disturbed, { from, to, link });
  }

  block(from: readonly NodePattern[], to: readonly NodePattern[]): void {
    for (const source of from) {
      for (const target of to) this.#blocked.add(key(source, target));
    }
    this.version++;
  }

  partition(groups: readonly (readonly string[])[]): void {
    const groupsOf = new Map<string, Set<number>>();
    groups.forEach((group, index) => {
      for (const node of group) {
        const known = groupsOf.get(node);
        if (known === undefined) groupsOf.set(node, new Set([index]));
        else known.add(index);
      }
    });
    this.#groupsOf = groupsOf;
    this.version++;
  }

  heal(): void {
    this.#disturbed.clear();
    this.#blocked.clear();
    this.#groupsOf = new Map();
    this.version++;
  }

  /** What holds now in the direction `from` to `to`. */
  optionsOf(from: string, to: string): ResolvedLinkOptions {
    let options = this.#defaults;
    for (const layer of [this.#configured, this.#disturbed]) {
      for (const rule of layer.values()) {
        if (matches(rule.from, from) && matches(rule.to, to)) options = resolveLinkOptions(rule.link, options);
      }
    }
    return this.#cutOff(from, to) ? { ...options, blocked: true } : options;
  }

  #cutOff(from: string, to: string): boolean {
    if (this.#blocked.size > 0) {
      for (const source of [from, '*']) {
        if (this.#blocked.has(key(source, to)) || this.#blocked.has(key(source, '*'))) return true;
      }
    }
    const [groupsFrom, groupsTo] = [this.#groupsOf.get(from), this.#groupsOf.get(to)];
    if (groupsFrom === undefined || groupsTo === undefined) return false;
    for (const group of groupsFrom) {
      if (groupsTo.has(group)) return false;
    }
    return true;
  }

  #say(layer: Map<string, Rule>, rule: Rule): void {
    resolveLinkOptions(rule.link); // Throws here, where the mistake is, and not at the next packet.
    const name = key(rule.from, rule.to);
    layer.delete(name);
    layer.set(name, rule);
    if (layer.size > rulesMax) throw new OptionsError('link', `has rules for more than ${rulesMax} pairs; use '*' for what holds everywhere`);
    this.version++;
  }
}

function matches(pattern: NodePattern, node: string): boolean {
  return pattern === '*' || pattern === node;
}

/** Node names hold no line breaks, so no two pairs share a key. */
function key(from: NodePattern, to: NodePattern): string {
  return `${from}\n${to}`;
}
