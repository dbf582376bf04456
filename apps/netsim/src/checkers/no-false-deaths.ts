import { paceOf } from '../scenario.js';
import { seconds, shortened, type MakeChecker } from './checker.js';

/** For so long after a trouble its consequences are still about: the longest suspicion, and rumours of it. */
const aftermathMs = 30_000;

/**
 * Who was cut off and declares a death just as the cut ends cannot be contested in time. News of a death counts as fresh
 * for ten rounds of gossip, a second with `fast`, and then takes another half to be everywhere.
 */
const raceMs = 1_500;

/**
 * Nobody is declared dead who was well: who ran, was not frozen, had no bad links of its own and was not cut off from
 * the one who says so. Who was in trouble may die in the views of others; those deaths are counted, not held against
 * the protocol. Neither are those that race the end of a cut: the one cut off let its suspicion run out, unheard, at
 * the very moment at which the suspect could first have answered, and others took its fresh word.
 */
export const noFalseDeaths: MakeChecker = ({ plan, truth }) => {
  const pace = paceOf[plan.preset];
  const firstExcused = new Map<string, number>();
  const violations: string[] = [];
  const victims = new Set<string>();
  let excused = 0;
  let raced = 0;
  return {
    name: 'no-false-deaths',
    see({ atMs, node, effect }) {
      if (effect.kind !== 'member-dead') return;
      const { id, epoch, incarnation } = effect.member;
      const identity = `${id} ${epoch} ${incarnation}`;
      const sinceMs = atMs - aftermathMs * pace;
      if (truth.isTroubled(id, sinceMs, atMs) || truth.isCut(node, id, sinceMs, atMs)) {
        excused++;
        if (!firstExcused.has(identity)) firstExcused.set(identity, atMs);
      } else if (atMs - (firstExcused.get(identity) ?? -Infinity) < raceMs * pace) raced++;
      else {
        victims.add(identity);
        violations.push(`${seconds(atMs)}: ${node} holds ${id} (epoch ${epoch} incarnation ${incarnation}) for dead, and nothing ailed it`);
      }
    },
    conclude: () => ({ violations: shortened(violations), samples: { falseDeaths: [violations.length], falselyDead: [victims.size], excusedDeaths: [excused], racedDeaths: [raced] } }),
  };
};
