import { expect, test } from 'vitest';
import { LastLines, whatFailed } from './what-failed.mjs';

const numbered = (word: string, count: number): string[] => Array.from({ length: count }, (_, at) => `${word} ${at}`);

test('of a long output only the last lines are kept, whatever pieces it came in', () => {
  const last = new LastLines(3);
  for (const piece of `${numbered('line', 1_000).join('\n')}\nunfinished`.match(/[^]{1,7}/g)!) last.add(piece);
  expect(last.lines()).toEqual(['line 998', 'line 999', 'unfinished']);
});

test('a line that never ends is cut short', () => {
  const last = new LastLines(3, 10);
  for (let piece = 0; piece < 100; piece += 1) last.add('xxxx');
  last.add('\nnext\n');
  expect(last.lines()).toEqual(['xxxxxxxxxx…', 'next']);
});

test('colours and what a progress bar has overwritten are left out', () => {
  const last = new LastLines();
  last.add('\u001b[31mred\u001b[39m\u001b[K\n10 %\r100 %\r\n');
  expect(last.lines()).toEqual(['red', '100 %']);
});

const heading = '⎯⎯⎯⎯⎯⎯⎯ Failed Tests 2 ⎯⎯⎯⎯⎯⎯⎯';
const first = [' FAIL   process  a.spec.ts > one', 'AssertionError: expected 503 to be 504'];
const second = [' FAIL   process  a.spec.ts > two', 'Error: it had not been started again'];

test('what failed are the tests that failed, not what the others had printed', () => {
  const told = [heading, '', ...first, ...second];
  expect(whatFailed([...numbered('✓ passed', 500), ...told])).toEqual(told);
});

test('when there is too much to tell, every failed test is named and the first told in full', () => {
  const told = [heading, ...first, ...numbered('detail', 20), ...second, ...numbered('output of a process', 500)];
  expect(whatFailed([...numbered('✓ passed', 10), ...told], 12)).toEqual([...first, ...second, '…', heading, ...first, ...numbered('detail', 4)]);
});

test('a step without tests is told from its end', () => {
  expect(whatFailed(numbered('line', 200), 2)).toEqual(['line 198', 'line 199']);
});
