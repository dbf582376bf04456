import { expect, test } from 'vitest';
import { AnswerReader } from './answer-reader.js';

const two = 'HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n';
const answers = [
  [201, '{"a":1}'],
  [429, ''],
];

function readIn(pieces: readonly string[]): (number | string)[][] {
  const seen: (number | string)[][] = [];
  const reader = new AnswerReader((status, body) => seen.push([status, body.toString()]));
  for (const piece of pieces) reader.push(Buffer.from(piece));
  return seen;
}

test('answers that arrive together are told apart', () => {
  expect(readIn([two])).toEqual(answers);
});

test('wherever the network cuts the bytes, the answers are the same', () => {
  for (let cut = 0; cut <= two.length; cut += 1) {
    expect(readIn([two.slice(0, cut), two.slice(cut)]), `cut at ${cut}`).toEqual(answers);
  }
  expect(readIn([...two])).toEqual(answers);
});

test('an answer whose length is not said stops the measurement instead of being guessed', () => {
  expect(() => readIn(['HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'])).toThrow('without Content-Length');
});

test('a reused buffer does not change what was kept of it', () => {
  const seen: string[] = [];
  const reader = new AnswerReader((_status, body) => seen.push(body.toString()));
  const buffer = Buffer.from('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nab');
  reader.push(buffer);
  buffer.fill(0);
  reader.push(Buffer.from('cd'));
  expect(seen).toEqual(['abcd']);
});
