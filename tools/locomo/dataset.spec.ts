import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseWhen, readConversations } from './dataset.js';
import { example, rawExample } from './example-conversation.js';

describe('a conversation', () => {
  test('turns into memories in the order they were said', () => {
    expect(example.turns.map((turn) => [turn.id, turn.content])).toEqual([
      ['D1:1', 'Ada: Did the parcel come?'],
      ['D1:2', 'Ben: Yes, this morning! [a photo of a teapot]'],
      ['D2:1', 'Ada: I planted tulips yesterday.'],
    ]);
    expect(example.turns.map((turn) => new Date(turn.whenMs).toISOString())).toEqual([
      '2023-05-08T13:56:00.000Z', '2023-05-08T13:56:30.000Z', '2023-06-01T00:05:00.000Z',
    ]);
    expect(example.turns[1]!.tags).toEqual(['Ben', 'session-1']);
  });

  test('keeps the questions of categories 1 to 4 that can be answered, and counts those that cannot', () => {
    expect(example.questions.map(({ text, evidence }) => [text, evidence])).toEqual([
      ['When did the parcel come?', ['D1:2']],
      ['What did Ada plant?', ['D2:1']],
    ]);
    expect(example.unanswerable).toBe(1);
  });
});

describe('times', () => {
  test('midnight and noon are read as the clock says them', () => {
    expect([parseWhen('12:00 am on 1 January, 2024'), parseWhen('12:30 pm on 1 January, 2024')]).toEqual([Date.UTC(2024, 0, 1), Date.UTC(2024, 0, 1, 12, 30)]);
  });

  test('what cannot be read is named', () => {
    expect(() => parseWhen('teatime')).toThrow(/teatime/);
  });
});

describe('a folder of conversations', () => {
  test('that is missing or empty has none', () => {
    const directory = mkdtempSync(join(tmpdir(), 'locomo-'));
    try {
      expect(readConversations(join(directory, 'missing'))).toBeUndefined();
      expect(readConversations(directory)).toBeUndefined();
      writeFileSync(join(directory, 'b.json'), JSON.stringify(rawExample));
      expect(readConversations(directory)).toEqual([example]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});
