/** The arithmetic of comparing rounds that were measured in turns: A B A B A. */

/** What a ratio of repeated measurements came to. The median decides; the range says how far to trust it. */
export interface Ratio {
  readonly value: number;
  readonly lowest: number;
  readonly highest: number;
}

/** How much the same thing, measured again, differed: what any other difference has to exceed to mean something. */
export interface Noise {
  readonly before: number;
  readonly after: number;
  /** (largest − smallest) ÷ median over all rounds of the baseline. */
  readonly spread: number;
}

export type Aim = { readonly atLeast: number } | { readonly atMost: number };

/** @throws Error for no values: a median of nothing would silently be wrong. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('the median of no values');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Every round against the mean of the baseline round before and after it, so that a slow drift of the machine cancels out. */
export function interleavedRatio(subject: readonly number[], baseline: readonly number[]): Ratio {
  if (baseline.length !== subject.length + 1) {
    throw new Error(`rounds must alternate and end with the baseline: ${baseline.length} of the baseline, ${subject.length} of the subject`);
  }
  const ratios = subject.map((value, round) => value / ((baseline[round]! + baseline[round + 1]!) / 2));
  return { value: median(ratios), lowest: Math.min(...ratios), highest: Math.max(...ratios) };
}

export function noiseOf(baseline: readonly number[]): Noise {
  return {
    before: baseline[0]!,
    after: baseline.at(-1)!,
    spread: (Math.max(...baseline) - Math.min(...baseline)) / median(baseline),
  };
}

export function meets(value: number, aim: Aim): boolean {
  return 'atLeast' in aim ? value >= aim.atLeast : value <= aim.atMost;
}
