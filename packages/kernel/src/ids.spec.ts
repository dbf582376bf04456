import { describe, expect, test } from 'vitest';
import { isClusterId, isMemoryId, isNodeId, isSpaceId, parseClusterId, parseMemoryId, parseNodeId, parseSpaceId } from './ids.js';

const kinds = [
  { name: 'node id', parse: parseNodeId, is: isNodeId, lengthMin: 1, lengthMax: 64, good: ['a', 'node-1', 'N.1_x', '-', '_', '7', 'a..b'], bad: ['.hidden', 'a:b', 'a b', 'ü'] },
  { name: 'cluster id', parse: parseClusterId, is: isClusterId, lengthMin: 1, lengthMax: 64, good: ['prod', 'eu-1.blue'], bad: ['.prod', 'a:b'] },
  { name: 'space id', parse: parseSpaceId, is: isSpaceId, lengthMin: 3, lengthMax: 64, good: ['default', 'a-b', '___', '007'], bad: ['Default', 'a.b.c', 'a:b:c', 'ab ', 'äöü'] },
  {
    name: 'memory id', parse: parseMemoryId, is: isMemoryId, lengthMin: 1, lengthMax: 128,
    good: ['m', 'conv-26:D1:3', '01ARZ3NDEKTSV4RRFFQ69G5FAV', '::', 'a.b'], bad: ['.m', 'a b', 'a+b', 'a%2f', 'é'],
  },
] as const;

const neverAnId = ['', '../..', '..', '.', 'abc/def', 'abc\\def', 'abc\0', 'abc\n', '\nabc', 'abc\r', ' abc', 'ａｂｃ', 'abc\ud800'];

describe.each(kinds)('a $name', ({ name, parse, is, lengthMin, lengthMax, good, bad }) => {
  test.each([...good, 'x'.repeat(lengthMin), 'x'.repeat(lengthMax)])('may be %j', (text) => {
    expect(is(text)).toBe(true);
    expect(parse(text)).toBe(text);
  });

  test.each([...bad, ...neverAnId, 'x'.repeat(lengthMin - 1), 'x'.repeat(lengthMax + 1)])('may not be %j', (text) => {
    expect(is(text)).toBe(false);
    expect(() => parse(text)).toThrow(expect.objectContaining({ code: 'invalid_argument', message: expect.stringMatching(`^a ${name} has ${lengthMin} to ${lengthMax} characters`) }));
  });

  test.each([undefined, null, 7, 7n, ['abc'], { length: 3 }, true])('is text, so %s is refused', (value) => {
    expect(is(value)).toBe(false);
    expect(() => parse(value as string)).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe('the complaint', () => {
  test('it names the rule, shows the value and says what to use', () => {
    expect(() => parseSpaceId('Team Notes')).toThrow(
      expect.objectContaining({
        message: 'a space id has 3 to 64 characters of a-z 0-9 _ -; got "Team Notes"',
        hint: 'Use a space id of 3 to 64 characters of a-z 0-9 _ -.',
      }),
    );
    expect(() => parseNodeId('.node')).toThrow(
      expect.objectContaining({
        message: 'a node id has 1 to 64 characters of A-Z a-z 0-9 . _ - and does not start with a dot; got ".node"',
        hint: 'Use a node id of 1 to 64 characters of A-Z a-z 0-9 . _ - that does not start with a dot.',
      }),
    );
  });

  test('a NUL and a terminal escape are shown, not sent', () => {
    expect(() => parseMemoryId('a\0\x1b[2J')).toThrow(/got "a\\u\{0\}\\u\{1b\}\[2J"$/);
  });

  test('ten thousand characters are cut to forty', () => {
    expect(() => parseSpaceId('x'.repeat(10_000))).toThrow(new RegExp(`got "${'x'.repeat(40)}"… \\(10000 characters\\)$`));
  });
});
