import type { Flaw } from './flaw.js';

export const clusterUnchecked: Flaw = {
  name: 'cluster-unchecked',
  summary: 'The name of the cluster is not looked at, so whoever lives at a known address is taken in.',
  scenario: 'address-reuse',
  caughtBy: 'clusters-apart',
  clusterOf: () => 'test',
};
