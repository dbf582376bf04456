import type { Flaw } from './flaw.js';

export const incarnationOverwritten: Flaw = {
  name: 'incarnation-overwritten',
  summary: 'The table of members is overwritten with incarnation 0 by whatever comes after a refutation.',
  scenario: 'flapping',
  caughtBy: 'identities-grow',
  sabotage: () => ({
    effect: (effect) => ('version' in effect && effect.kind === 'member-suspect' ? [{ ...effect, member: { ...effect.member, incarnation: 0 } }] : [effect]),
  }),
};
