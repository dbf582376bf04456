import { saidAs, type Flaw } from './flaw.js';
import { forgetsToRefute } from './forgets-to-refute.js';

export const answersNoPings: Flaw = {
  name: 'answers-no-pings',
  summary: 'One member acknowledges no probe and refutes nothing, though it is well and does everything else.',
  scenario: 'kill-one',
  caughtBy: 'no-false-deaths',
  sabotage: (name, life) =>
    name === 'n1' ? { ...forgetsToRefute.sabotage?.(name, life), effect: (effect) => saidAs(effect, (messages) => messages.filter(({ kind }) => kind !== 'ack')) } : undefined,
};
