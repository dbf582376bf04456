import type { Member } from '@engram/swim/core';
import { seconds, shortened, type MakeChecker } from './checker.js';

/**
 * Who was dead or had left comes back with a higher epoch or incarnation only. Remembers on behalf of the observer,
 * who may have forgotten: a tombstone that does not outlive the rumours is the fault looked for.
 */
export const noResurrection: MakeChecker = () => {
  const gone = new Map<string, Member>();
  const violations: string[] = [];
  return {
    name: 'no-resurrection',
    see({ atMs, node, life, effect }) {
      if (!('version' in effect)) return;
      const { member } = effect;
      const key = `${node} ${life} ${member.id}`;
      if (effect.kind === 'member-forgotten') return;
      if (member.state === 'dead' || member.state === 'left') return void gone.set(key, member);
      const before = gone.get(key);
      if (before && (member.epoch - before.epoch || member.incarnation - before.incarnation) <= 0) {
        violations.push(`${seconds(atMs)}: ${node} holds ${member.id} for ${member.state} at epoch ${member.epoch} incarnation ${member.incarnation}, where it was ${before.state} at ${before.epoch}, ${before.incarnation}`);
      }
    },
    conclude: () => ({ violations: shortened(violations) }),
  };
};
