import { expect, test } from 'vitest';
import { decodeMessage, encodeMessage, encodePartial } from './codec.js';
import { GetRequest, StoreRequest } from './gen/engram/v1/memory.js';

const invalid = (message: string) => expect.objectContaining({ code: 'invalid_argument', message: expect.stringContaining(message) });

test('a text that is not UTF-8 is refused, not repaired', () => {
  const bytes = encodeMessage(GetRequest, { memorySpace: 'default', id: 'abc' }, 'the request');
  bytes[bytes.length - 1] = 0xff;

  expect(() => decodeMessage(GetRequest, bytes, 'the request')).toThrow(invalid('the request cannot be decoded'));
});

test('a text with half of a surrogate pair is refused, not repaired', () => {
  expect(() => encodeMessage(GetRequest, { memorySpace: 'default', id: 'a\ud800' }, 'the request')).toThrow(invalid('surrogate'));
});

test('a byte-order mark is text', () => {
  const message = { memorySpace: 'default', id: '\ufeffx' };

  expect(decodeMessage(GetRequest, encodeMessage(GetRequest, message, 'the request'), 'the request')).toEqual(message);
});

test('absent fields take the defaults of the contract, and absent is told from zero', () => {
  const decoded = (confidence?: number) => {
    const draft = { content: 'tea', ...(confidence === undefined ? {} : { confidence }) };
    return decodeMessage(StoreRequest, encodePartial(StoreRequest, { draft }, 'the request'), 'the request').draft?.confidence;
  };

  expect(decoded()).toBeUndefined();
  expect(decoded(0)).toBe(0);
});

test.each([[{ draft: { tags: 'not a list' } }], [{ draft: { embedding: [1e300] } }], [{ draft: { embedding: ['x'] } }], [null]])(
  'a request of the wrong shape is refused by name: %j',
  (request) => {
    expect(() => encodePartial(StoreRequest, request as never, 'the request of Store')).toThrow(invalid('the request of Store'));
  },
);
