/** Where and why a text stops being JSON. `offset` counts UTF-16 code units from 0; line and column count from 1. */
export interface JsonFault {
  readonly offset: number;
  readonly line: number;
  readonly column: number;
  /** What JSON would allow there. */
  readonly expected: string;
}

type Expectation = 'value' | 'value-or-end' | 'key' | 'key-or-end' | 'colon' | 'comma-or-end' | 'nothing';

const expectedText: Readonly<Record<Expectation, string>> = {
  value: 'a value',
  'value-or-end': 'a value or ]',
  key: 'a key in double quotes',
  'key-or-end': 'a key in double quotes or }',
  colon: 'a colon',
  'comma-or-end': 'a comma or the end of the array or object',
  nothing: 'the end of the text',
};

const whitespace = /[ \t\n\r]*/y;
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;

/**
 * Finds the first place where a text is not JSON (RFC 8259); undefined when all of it is.
 *
 * `JSON.parse` names a position for some faults only, differently in each version of its engine, so this scanner runs
 * after it has failed. It keeps its own stack: nesting costs a byte of memory, not a frame.
 */
export function findJsonFault(text: string): JsonFault | undefined {
  const open: ('[' | '{')[] = [];
  let expect: Expectation = 'value';
  let at = 0;
  const match = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    if (!pattern.test(text)) return false;
    at = pattern.lastIndex;
    return true;
  };
  const afterValue = (): Expectation => (open.length === 0 ? 'nothing' : 'comma-or-end');

  for (;;) {
    match(whitespace);
    if (at === text.length) return expect === 'nothing' ? undefined : faultAt(text, at, expectedText[expect]);
    const character = text[at];
    switch (expect) {
      case 'value':
      case 'value-or-end':
        if (character === ']' && expect === 'value-or-end') {
          open.pop();
          at += 1;
          expect = afterValue();
        } else if (character === '[' || character === '{') {
          open.push(character);
          at += 1;
          expect = character === '[' ? 'value-or-end' : 'key-or-end';
        } else if (character === '"') {
          if (!match(string)) return faultAt(text, faultInString(text, at), 'a string that ends in a double quote, without raw control characters and with valid escapes');
          expect = afterValue();
        } else if (match(scalar)) {
          expect = afterValue();
        } else {
          return faultAt(text, at, expectedText[expect]);
        }
        break;
      case 'key':
      case 'key-or-end':
        if (character === '}' && expect === 'key-or-end') {
          open.pop();
          at += 1;
          expect = afterValue();
        } else if (character === '"') {
          if (!match(string)) return faultAt(text, faultInString(text, at), 'a key that ends in a double quote, without raw control characters and with valid escapes');
          expect = 'colon';
        } else {
          return faultAt(text, at, expectedText[expect]);
        }
        break;
      case 'colon':
        if (character !== ':') return faultAt(text, at, expectedText.colon);
        at += 1;
        expect = 'value';
        break;
      case 'comma-or-end': {
        const inside = open.at(-1);
        if (character === ',') expect = inside === '[' ? 'value' : 'key';
        else if ((character === ']' && inside === '[') || (character === '}' && inside === '{')) {
          open.pop();
          expect = afterValue();
        } else return faultAt(text, at, expectedText['comma-or-end']);
        at += 1;
        break;
      }
      case 'nothing':
        return faultAt(text, at, expectedText.nothing);
    }
  }
}

/** The first character of a string, opened at `start`, that cannot stand there; the end of the text when it never closes. */
function faultInString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x20) return at;
    if (code !== 0x5c) continue;
    const escape = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
    escape.lastIndex = at;
    if (!escape.test(text)) return at;
    at = escape.lastIndex - 1;
  }
  return text.length;
}

function faultAt(text: string, offset: number, expected: string): JsonFault {
  const before = text.slice(0, offset);
  const lineStart = before.lastIndexOf('\n') + 1;
  let line = 1;
  for (let i = before.indexOf('\n'); i !== -1; i = before.indexOf('\n', i + 1)) line += 1;
  return { offset, line, column: offset - lineStart + 1, expected };
}
