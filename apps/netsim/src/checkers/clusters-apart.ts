import { seconds, shortened, type MakeChecker } from './checker.js';

/** Nobody of another cluster is ever a member, whatever address it has come to live at. */
export const clustersApart: MakeChecker = ({ plan }) => {
  const clusterOf = (name: string): string => plan.clusterOf[name] ?? 'test';
  const violations: string[] = [];
  return {
    name: 'clusters-apart',
    see({ atMs, node, effect }) {
      if (!('version' in effect) || clusterOf(effect.member.id) === clusterOf(node)) return;
      violations.push(`${seconds(atMs)}: ${node} of cluster ${clusterOf(node)} took in ${effect.member.id} of cluster ${clusterOf(effect.member.id)}`);
    },
    conclude: () => ({ violations: shortened(violations) }),
  };
};
