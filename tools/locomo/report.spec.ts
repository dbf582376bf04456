import { expect, test } from 'vitest';
import { example } from './example-conversation.js';
import { searchInProcess } from './in-process.js';
import { render, reportOn } from './report.js';

test('a report compares the baseline with Engram on the same questions, and ends its ablation with all parts on', async () => {
  const report = await reportOn([example], { name: 'Engram', search: searchInProcess() });
  expect([report.conversations, report.memories, report.questions, report.leftOut]).toEqual([1, 3, 2, 1]);
  expect(report.systems.map(({ name, all }) => [name, all.questions])).toEqual([['plain BM25', 2], ['Engram', 2]]);
  expect(report.ablation.at(-1)!.all).toEqual(report.systems[1]!.all);
  expect(report.ablation[0]).toEqual(report.systems[0]);
});

test('a conversation that was not tuned on is held out', async () => {
  const report = await reportOn([example], { name: 'Engram', search: () => ['D1:2'] });
  expect(report.systems[1]!.heldOut).toEqual({ questions: 2, evidenceAt10: 0.5, hitAt1: 0.5, hitAt5: 0.5, hitAt10: 0.5 });
  expect(report.systems[1]!.tuned.questions).toBe(0);
});

test('the answer that shares no word with its question is found beside the turn that does', () => {
  const question = { text: 'Did the parcel come?', category: 2, evidence: ['D1:2'] };
  expect(searchInProcess()(example, question)).toContain('D1:2');
  expect(searchInProcess({ neighbourWeight: 0, associationWeight: 0 })(example, question)).not.toContain('D1:2');
});

test('a report reads as aligned tables', async () => {
  const text = render(await reportOn([example], { name: 'Engram', search: searchInProcess() }));
  expect(text).toMatch(/1 conversations, 3 memories, 2 questions/);
  const [head, plain, engram] = text.split('\n').slice(2, 5);
  expect(head).toMatch(/evidence@10 +hit@1 +hit@5 +hit@10/);
  expect([plain!.length, engram!.length]).toEqual([head!.length, head!.length]);
});
