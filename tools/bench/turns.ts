import type { Conversation } from '../locomo/dataset.js';
import type { Corpus } from './corpus.js';

/**
 * Real turns of conversations instead of made-up ones. There are fewer of them than memories to store, so they repeat,
 * each time a year later: that makes posting lists as long as they would be, and texts less varied than they would be.
 *
 * @throws Error when there is no turn or no question.
 */
export function corpusOfTurns(conversations: readonly Conversation[]): Corpus {
  const turns = conversations.flatMap(({ turns }) => turns);
  let first = 0;
  const cues = conversations.flatMap(({ turns, questions }) => {
    const indexes = new Map(turns.map(({ id }, index) => [id, first + index]));
    first += turns.length;
    return questions.map(({ text, evidence }) => ({ text, memory: indexes.get(evidence[0]!)! }));
  });
  if (turns.length === 0 || cues.length === 0) throw new Error('the conversations hold no turn, or no question about one');
  return {
    memory(index) {
      const { content, tags, whenMs } = turns[index % turns.length]!;
      const when = new Date(whenMs);
      when.setUTCFullYear(when.getUTCFullYear() + Math.floor(index / turns.length));
      return { content, tags, when: when.toISOString() };
    },
    cue: (index) => cues[index % cues.length]!,
  };
}
