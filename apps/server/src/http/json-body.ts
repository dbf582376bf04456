import { isUtf8 } from 'node:buffer';
import { EngramError, shown } from '@engram/kernel';
import { findJsonFault } from './json-position.js';

/** The byte order mark, which RFC 8259 lets a reader ignore. We do: Windows tools put it there, and it means nothing. */
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

/**
 * Parses bytes as JSON, strictly: nothing is repaired on the way. A key that occurs twice in an object counts once,
 * with its last value, as in every JSON parser of the platform.
 *
 * @throws EngramError `invalid_argument`: not UTF-8, not JSON (with the position), or a key that would reach a prototype.
 */
export function parseJson(bytes: Buffer): unknown {
  // Decoding would quietly turn foreign bytes into U+FFFD and store what nobody sent.
  if (!isUtf8(bytes)) {
    throw invalid(`the body is not UTF-8: byte ${firstForeignByte(bytes)} begins no valid character`, 'Encode the JSON as UTF-8 and send it again.');
  }
  const start = bytes.length >= 3 && BOM.equals(bytes.subarray(0, 3)) ? 3 : 0;
  const text = bytes.toString('utf8', start);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw notJson(text, cause);
  }
  if (mayNamePrototype(text)) refusePrototypeKeys(value);
  return value;
}

function notJson(text: string, cause: unknown): EngramError {
  const fault = findJsonFault(text);
  if (fault === undefined) return invalid('the body is not valid JSON', 'Correct the JSON and send it again.', cause);
  const { offset, line, column, expected } = fault;
  const found = offset === text.length ? 'the text ends' : `there is ${shown(text.slice(offset, offset + 20))}`;
  return invalid(
    `the body is not valid JSON: at position ${offset} (line ${line}, column ${column}) ${found} where ${expected} was expected`,
    'Correct the JSON at that position and send it again.',
    cause,
  );
}

/** A cheap look at the text. An escape may spell any key, so texts with escapes are walked as well. */
function mayNamePrototype(text: string): boolean {
  return text.includes('__proto__') || text.includes('"constructor"') || text.includes('\\u');
}

/** Walks with its own stack, so that nesting cannot exhaust ours. Only own keys count; `JSON.parse` sets no prototype. */
function refusePrototypeKeys(value: unknown): void {
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next !== 'object' || next === null) continue;
    if (Object.hasOwn(next, '__proto__')) throw prototypeKey('__proto__');
    if (Object.hasOwn(next, 'constructor')) {
      const { constructor } = next as { constructor: unknown };
      if (typeof constructor === 'object' && constructor !== null && Object.hasOwn(constructor, 'prototype')) {
        throw prototypeKey('constructor.prototype');
      }
    }
    for (const item of Object.values(next)) if (typeof item === 'object' && item !== null) pending.push(item);
  }
}

function prototypeKey(key: string): EngramError {
  return invalid(`the body has the key ${key}, which many programs would take for an object's prototype`, `Rename or remove the key ${key}.`);
}

/** The offset of the first byte at which the bytes stop being UTF-8. Runs only once a body has been refused. */
function firstForeignByte(bytes: Buffer): number {
  // Every prefix that ends before the fault is valid once a cut character at its end is forgiven, so halving finds it.
  let valid = 0;
  let suspect = bytes.length;
  while (suspect - valid > 1) {
    const middle = (valid + suspect) >> 1;
    if (isUtf8Prefix(bytes.subarray(0, middle))) valid = middle;
    else suspect = middle;
  }
  // The fault shows at `suspect`; the character it spoils begins at most three bytes before.
  for (let start = suspect; start > suspect - 4 && start > 0; start--) if (isUtf8(bytes.subarray(0, start))) return start;
  return 0;
}

function isUtf8Prefix(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function invalid(message: string, hint: string, cause?: unknown): EngramError {
  return new EngramError('invalid_argument', message, { hint, ...(cause === undefined ? {} : { cause }) });
}
