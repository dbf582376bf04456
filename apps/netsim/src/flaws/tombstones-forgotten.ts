import type { Flaw } from './flaw.js';

export const tombstonesForgotten: Flaw = {
  name: 'tombstones-forgotten',
  summary: 'The dead are forgotten after a second, so a late rumour of them being alive is news.',
  scenario: 'clean-split',
  caughtBy: 'no-resurrection',
  swim: { syncMs: 100, deadMs: 1_000, leftMs: 1_000 },
};
