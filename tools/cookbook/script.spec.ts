import { expect, test } from 'vitest';
import { Script } from './script.js';

function scripted(): { script: Script; lines: string[] } {
  const lines: string[] = [];
  return { script: new Script((line) => lines.push(line)), lines };
}

test('a script reads as a terminal does, and ends with 0 when all was as expected', () => {
  const { script, lines } = scripted();
  script.heading('one node');
  script.typed('engram status');
  script.answered('alive: 0\n');
  script.expect('nobody else', true, 'unused');
  expect(script.summary()).toBe(0);
  expect(lines).toEqual(['\n── one node', '$ engram status', '    alive: 0', 'ok    nobody else', '\n── summary', '1 as expected, 0 not']);
});

test('what is not as expected is shown with its evidence, again at the end, and ends with 1', () => {
  const { script, lines } = scripted();
  script.expect('two others', false, { alive: 1 });
  script.expect('one space', true, '');
  expect(script.summary()).toBe(1);
  expect(lines).toEqual(['FAIL  two others', '{\n  "alive": 1\n}', 'ok    one space', '\n── summary', 'FAIL  two others', '1 as expected, 1 not']);
});

test('a script that expected nothing proves nothing', () => {
  expect(scripted().script.summary()).toBe(1);
});

test('a long answer is cut', () => {
  const { script, lines } = scripted();
  script.answered(`${'x'.repeat(500)}\n${'line\n'.repeat(30)}`);
  expect([lines.length, lines[0]!.length, lines.at(-1)]).toEqual([13, 164, '    … 19 more lines']);
});
