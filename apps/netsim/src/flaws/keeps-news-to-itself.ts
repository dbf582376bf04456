import { saidAs, type Flaw } from './flaw.js';

export const keepsNewsToItself: Flaw = {
  name: 'keeps-news-to-itself',
  summary: 'Members pass on that others are alive, and nothing else: everybody finds out alone who is dead.',
  scenario: 'kill-one',
  caughtBy: 'dissemination',
  sabotage: (name) => ({
    effect: (effect) =>
      saidAs(effect, (messages) =>
        messages
          .filter((message) => message.kind !== 'claim' || (message.id as string) === name || message.state === 'alive')
          .map((message) => (message.kind === 'sync-digest' ? { ...message, entries: message.entries.filter(({ state }) => state === 'alive') } : message))),
  }),
};
