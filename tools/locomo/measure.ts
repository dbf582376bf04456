import type { Conversation, Question } from './dataset.js';

/** Answers a question about one conversation with ids of turns, best first. */
export type Search = (conversation: Conversation, question: Question) => readonly string[] | Promise<readonly string[]>;

export interface Outcome {
  readonly conversation: string;
  readonly category: number;
  /** Share of the evidence turns among the first ten. */
  readonly evidenceAt10: number;
  readonly hitAt1: boolean;
  readonly hitAt5: boolean;
  readonly hitAt10: boolean;
}

/** Means over questions. */
export interface Figures {
  readonly questions: number;
  readonly evidenceAt10: number;
  readonly hitAt1: number;
  readonly hitAt5: number;
  readonly hitAt10: number;
}

export const cutOff = 10;

export async function askAll(conversations: readonly Conversation[], search: Search): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const conversation of conversations) {
    for (const question of conversation.questions) {
      outcomes.push(judge(conversation.name, question, await search(conversation, question)));
    }
  }
  return outcomes;
}

export function judge(conversation: string, question: Question, answered: readonly string[]): Outcome {
  const evidence = new Set(question.evidence);
  const hitWithin = (k: number): boolean => answered.slice(0, k).some((id) => evidence.has(id));
  const found = new Set(answered.slice(0, cutOff).filter((id) => evidence.has(id))).size;
  return {
    conversation,
    category: question.category,
    evidenceAt10: found / evidence.size,
    hitAt1: hitWithin(1),
    hitAt5: hitWithin(5),
    hitAt10: hitWithin(cutOff),
  };
}

export function figuresOf(outcomes: readonly Outcome[]): Figures {
  const mean = (of: (outcome: Outcome) => number): number =>
    outcomes.reduce((sum, outcome) => sum + of(outcome), 0) / Math.max(1, outcomes.length);
  return {
    questions: outcomes.length,
    evidenceAt10: mean((outcome) => outcome.evidenceAt10),
    hitAt1: mean((outcome) => Number(outcome.hitAt1)),
    hitAt5: mean((outcome) => Number(outcome.hitAt5)),
    hitAt10: mean((outcome) => Number(outcome.hitAt10)),
  };
}
