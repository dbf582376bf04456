import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { curlLine, shellLine } from './typed.js';

/** The words that a shell makes of a line that begins with `show`. */
function asRead(line: string): string[] {
  const { stdout } = spawnSync('sh', ['-c', `show() { printf '%s\\n' "$@"; }; ${line}`], { encoding: 'utf8' });
  return stdout.split('\n').slice(0, -1);
}

test('a shell reads the words that were meant, whatever is in them', () => {
  const words = ['plain', 'two words', `it's`, '$HOME', '"quoted"', 'a?b=*', '', '{}', '\\'];
  expect(asRead(shellLine(['show', ...words]))).toEqual(words);
});

test('a request with a body is typed as a POST of JSON, one without as a GET', () => {
  expect(curlLine({ url: 'http://127.0.0.1:7432/livez' })).toBe('curl -s http://127.0.0.1:7432/livez');
  expect(asRead(curlLine({ url: 'http://127.0.0.1:7432/api?a=b', body: { content: `Ada's` } }).replace(/^curl /, 'show '))).toEqual([
    '-s', '-X', 'POST', '-H', 'content-type: application/json', '-d', `{"content":"Ada's"}`, 'http://127.0.0.1:7432/api?a=b',
  ]);
});
