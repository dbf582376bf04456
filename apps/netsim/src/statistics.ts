/** Measurements of many runs, by name. */
export class Samples {
  readonly #values = new Map<string, number[]>();

  add(samples: Readonly<Record<string, readonly number[]>>): void {
    for (const [name, values] of Object.entries(samples)) {
      const all = this.#values.get(name) ?? [];
      for (const value of values) all.push(value);
      this.#values.set(name, all);
    }
  }

  of(name: string): readonly number[] {
    return this.#values.get(name) ?? [];
  }

  names(): readonly string[] {
    return [...this.#values].filter(([, values]) => values.length > 0).map(([name]) => name);
  }
}

/** The smallest value that at least this share of all do not exceed. NaN of nothing. */
export function quantile(values: readonly number[], share: number): number {
  const ordered = [...values].sort((a, b) => a - b);
  return ordered[Math.max(0, Math.ceil(share * ordered.length) - 1)] ?? NaN;
}

export function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** In the order in which keys first appear. */
export function grouped<T>(values: readonly T[], keyOf: (value: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const value of values) {
    const group = groups.get(keyOf(value));
    if (group) group.push(value);
    else groups.set(keyOf(value), [value]);
  }
  return groups;
}

/** Whole numbers where there are many digits before the point, two decimals where there are few. */
export function shown(value: number): string {
  return Number.isInteger(value) || Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
}
