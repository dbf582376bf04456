import type { Flaw } from './flaw.js';

export const deadNeverContacted: Flaw = {
  name: 'dead-never-contacted',
  summary: 'Whoever is held for dead is never written to again, so two halves that buried each other stay apart.',
  scenario: 'clean-split',
  caughtBy: 'views-heal',
  sabotage: () => ({
    effect: (effect, core) => {
      if (effect.kind !== 'send-datagram' && effect.kind !== 'open-stream') return [effect];
      const isDead = core.view().members.some(({ address, state }) => address === effect.to && state === 'dead');
      return isDead ? [] : [effect];
    },
  }),
};
