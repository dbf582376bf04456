import { heardAs, type Flaw } from './flaw.js';

export const forgetsToRefute: Flaw = {
  name: 'forgets-to-refute',
  summary: 'Members are deaf to what is said about themselves, so nobody accused ever answers.',
  scenario: 'clean-split',
  caughtBy: 'views-heal',
  sabotage: (name) => ({
    event: (event) =>
      heardAs(event, (messages) =>
        messages
          .filter((message) => message.kind !== 'claim' || (message.id as string) !== name)
          .map((message) => (message.kind === 'sync-digest' ? { ...message, entries: message.entries.filter(({ id }) => (id as string) !== name) } : message))),
  }),
};
