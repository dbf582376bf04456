import { seconds, shortened, type MakeChecker } from './checker.js';
import { DeathWatch, noticeMsMax } from './deaths-seen.js';

/** Every death is noticed by every healthy member in time. Measures from the kill to the first observer, and to all. */
export const detection: MakeChecker = (setting) => {
  const watch = new DeathWatch(setting);
  return {
    name: 'detection',
    see: watch.see,
    conclude() {
      const violations: string[] = [];
      const firstMs: number[] = [];
      const allMs: number[] = [];
      for (const { ending, observers, seenAtMs } of watch.deaths()) {
        const took = observers.map((name) => (seenAtMs.get(name) ?? Infinity) - ending.atMs);
        const late = observers.filter((_, i) => (took[i] as number) > noticeMsMax(setting));
        if (late.length > 0) violations.push(`${seconds(ending.atMs + noticeMsMax(setting))}: ${ending.node} was killed at ${seconds(ending.atMs)} and not noticed within ${seconds(noticeMsMax(setting))} by ${late.join(', ')}`);
        else if (took.length > 0) {
          firstMs.push(Math.min(...took));
          allMs.push(Math.max(...took));
        }
      }
      return { violations: shortened(violations), samples: { killToFirstMs: firstMs, killToAllMs: allMs } };
    },
  };
};
