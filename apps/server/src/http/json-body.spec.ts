import { EngramError } from '@engram/kernel';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseJson } from './json-body.js';
import { findJsonFault } from './json-position.js';

function refusal(bytes: Buffer | string): string {
  try {
    parseJson(Buffer.from(bytes));
  } catch (error) {
    expect(error).toBeInstanceOf(EngramError);
    expect((error as EngramError).code).toBe('invalid_argument');
    return (error as EngramError).message;
  }
  return 'accepted';
}

test('any JSON is parsed as the platform parses it', () => {
  const json = fc.json().filter((text) => !text.includes('__proto__'));
  fc.assert(
    fc.property(json, (text) => {
      expect(parseJson(Buffer.from(text))).toEqual(JSON.parse(text));
    }),
    { numRuns: 300 },
  );
});

test('the scanner finds a fault exactly when the platform does', () => {
  const broken = fc.tuple(fc.json(), fc.nat(), fc.string({ maxLength: 3 })).map(([text, at, noise]) => {
    const cut = at % (text.length + 1);
    return text.slice(0, cut) + noise + text.slice(cut + (at % 3));
  });
  fc.assert(
    fc.property(fc.oneof(broken, fc.string()), (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      const fault = findJsonFault(text);
      expect(fault === undefined).toBe(valid);
      if (fault) expect(fault.offset).toBeLessThanOrEqual(text.length);
    }),
    { numRuns: 2_000 },
  );
});

test.each([
  ['', 'at position 0 (line 1, column 1) the text ends where a value was expected'],
  ['{"a": 1,\n "b" 2}', 'at position 14 (line 2, column 6) there is "2}" where a colon was expected'],
  ['{"a": 1,}', 'at position 8 (line 1, column 9) there is "}" where a key in double quotes was expected'],
  ['[1 2]', 'at position 3 (line 1, column 4) there is "2]" where a comma or the end'],
  ['{"a": nul}', 'at position 6 (line 1, column 7) there is "nul}" where a value was expected'],
  ['{"a": "b\\x"}', 'at position 8'],
  ['{"a": "b\n"}', 'at position 8'],
  ['{"a": "b', 'at position 8 (line 1, column 9) the text ends where a string'],
  ['{} {}', 'at position 3 (line 1, column 4) there is "{}" where the end of the text was expected'],
  ["{'a': 1}", 'where a key in double quotes or } was expected'],
  ['NaN', 'where a value was expected'],
  ['01', 'where a value was expected'],
])('the fault in %j is described', (text, description) => {
  expect(refusal(text)).toContain(description);
});

test('bytes that are not UTF-8 are refused with the place of the first one', () => {
  const good = Buffer.from('{"content":"Straße 北京 🎈');
  for (const bad of [[0xff], [0xc3, 0x28], [0xe2, 0x28, 0xa1], [0xed, 0xa0, 0x80], [0xc0, 0xaf], [0xf5, 0x80, 0x80, 0x80], [0xe5, 0x8c]]) {
    const bytes = Buffer.concat([good, Buffer.from(bad), Buffer.from('"}')]);
    expect(refusal(bytes)).toContain(`byte ${good.length} `);
  }
  expect(refusal(Buffer.from([0xff]))).toContain('byte 0 ');
  expect(refusal(Buffer.from([0x22, 0xe5, 0x8c]))).toContain('byte 1 ');
});

test('a byte order mark at the start is passed over', () => {
  expect(parseJson(Buffer.from('\ufeff{"a":1}'))).toEqual({ a: 1 });
  expect(refusal('\ufeff\ufeff{}')).toContain('at position 0');
});

test.each(['{"__proto__": {}}', '{"a": [{"__proto__": 1}]}', '{"\\u005f_proto__": 1}', '{"constructor": {"prototype": {}}}', '{"a": {"c\\u006fnstructor": {"prototype": 1}}}'])(
  'the key that would reach a prototype in %s is refused',
  (text) => {
    expect(refusal(text)).toContain('prototype');
  },
);

test('a text that merely speaks of prototypes is no danger', () => {
  expect(parseJson(Buffer.from('{"content": "__proto__ and constructor", "constructor": "Acme"}'))).toEqual({ content: '__proto__ and constructor', constructor: 'Acme' });
});

test('a hundred thousand levels of nesting are parsed, walked and located without exhausting the stack', () => {
  const deep = `${'['.repeat(100_000)}{"__proto__":1}${']'.repeat(100_000)}`;
  expect(refusal(deep)).toContain('__proto__');
  expect(refusal('['.repeat(100_000))).toContain('at position 100000');
  expect(refusal('{"a":'.repeat(100_000))).toContain('at position 500000');
});
