import type { Identity } from '@engram/swim/core';
import { seconds, shortened, type MakeChecker } from './checker.js';

/**
 * The epoch and incarnation of one member never go back: not in anybody's view, and not for the member itself, whose
 * every start has a higher epoch than all before.
 */
export const identitiesGrow: MakeChecker = ({ cluster }) => {
  const held = new Map<string, Identity>();
  const starts = new Map<string, { readonly life: number; readonly epoch: number }>();
  const violations: string[] = [];
  return {
    name: 'identities-grow',
    see({ atMs, node, life, effect }) {
      const epoch = cluster.node(node).epochAtStart;
      const start = starts.get(node);
      if (epoch !== undefined && start?.life !== life) {
        if (start && epoch <= start.epoch) violations.push(`${seconds(atMs)}: ${node} starts with epoch ${epoch} after it had begun one with ${start.epoch}`);
        starts.set(node, { life, epoch });
      }
      if (!('version' in effect)) return;
      const { member } = effect;
      const key = `${node} ${life} ${member.id}`;
      const before = held.get(key);
      if (before && (member.epoch - before.epoch || member.incarnation - before.incarnation) < 0) {
        violations.push(`${seconds(atMs)}: ${node} held ${member.id} at ${identityText(before)} and then at ${identityText(member)}`);
      }
      if (effect.kind === 'member-forgotten') held.delete(key);
      else held.set(key, member);
    },
    conclude: () => ({ violations: shortened(violations) }),
  };
};

const identityText = ({ epoch, incarnation }: Identity): string => `epoch ${epoch} incarnation ${incarnation}`;
