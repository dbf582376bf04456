import { paceOf } from '../scenario.js';
import { seconds, shortened, type MakeChecker } from './checker.js';
import { DeathWatch } from './deaths-seen.js';

/** From the first observer of a death to 99 % of the members it takes no longer than this. */
const spreadMsMax = 1_000;

/** News travels: once somebody knows of a death, nearly everybody does soon. Measures how soon. */
export const dissemination: MakeChecker = (setting) => {
  const watch = new DeathWatch(setting);
  const mostMs = spreadMsMax * paceOf[setting.plan.preset];
  return {
    name: 'dissemination',
    see: watch.see,
    conclude() {
      const violations: string[] = [];
      const spreadMs: number[] = [];
      for (const { ending, observers, seenAtMs } of watch.deaths()) {
        const times = observers.map((name) => seenAtMs.get(name) ?? Infinity).sort((a, b) => a - b);
        if (times.length < 2) continue;
        const took = (times[Math.ceil(0.99 * times.length) - 1] as number) - (times[0] as number);
        if (!(took <= mostMs)) violations.push(`${seconds(times[0] as number)}: the death of ${ending.node} at ${seconds(ending.atMs)} took ${seconds(took)} from the first observer to 99 % of them; ${seconds(mostMs)} is the limit`);
        else spreadMs.push(took);
      }
      return { violations: shortened(violations), samples: { firstTo99PercentMs: spreadMs } };
    },
  };
};
