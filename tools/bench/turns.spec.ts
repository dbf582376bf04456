import { expect, test } from 'vitest';
import type { Conversation } from '../locomo/dataset.js';
import { corpusOfTurns } from './turns.js';

const turn = (id: string, content: string) => ({ id, content, tags: ['speaker'], whenMs: Date.UTC(2023, 4, 8) });
const conversation = (name: string, turns: Conversation['turns'], questions: Conversation['questions']): Conversation => ({ name, turns, questions, unanswerable: 0 });
const corpus = corpusOfTurns([
  conversation('one', [turn('D1:1', 'first'), turn('D1:2', 'second')], [{ text: 'Which one?', category: 4, evidence: ['D1:2'] }]),
  conversation('two', [turn('D1:1', 'third')], [{ text: 'And then?', category: 4, evidence: ['D1:1'] }]),
]);

test('turns follow one another and begin again a year later', () => {
  expect([0, 1, 2, 3].map((index) => corpus.memory(index).content)).toEqual(['first', 'second', 'third', 'first']);
  expect([0, 3, 6].map((index) => corpus.memory(index).when.slice(0, 4))).toEqual(['2023', '2024', '2025']);
});

test('a question points at the turn that answers it, although conversations number their turns alike', () => {
  expect([0, 1, 2].map((index) => corpus.cue(index))).toEqual([
    { text: 'Which one?', memory: 1 },
    { text: 'And then?', memory: 2 },
    { text: 'Which one?', memory: 1 },
  ]);
});

test('conversations without a question are refused', () => {
  expect(() => corpusOfTurns([conversation('one', [turn('D1:1', 'first')], [])])).toThrow('no question');
});
