import type { Flaw } from './flaw.js';

export const saysEverythingThrice: Flaw = {
  name: 'says-everything-thrice',
  summary: 'Every datagram is sent three times.',
  scenario: 'kill-one',
  caughtBy: 'traffic',
  sabotage: () => ({ effect: (effect) => (effect.kind === 'send-datagram' ? [effect, effect, effect] : [effect]) }),
};
