import type { Flaw } from './flaw.js';

export const epochNotPersisted: Flaw = {
  name: 'epoch-not-persisted',
  summary: 'Every start begins with the same epoch, as if nothing had been kept.',
  scenario: 'mass-restart',
  caughtBy: 'identities-grow',
  sabotage: () => ({ epoch: () => 1 }),
};
