import { ManualClock } from '@engram/kernel';
import { expect, test } from 'vitest';
import type { Address } from '../core/index.js';
import { HostBook } from './host-book.js';

const at = (text: string) => text as Address;

function bookOf(answers: Record<string, readonly string[]>) {
  const asked: string[] = [];
  const clock = new ManualClock();
  const lookup = async (name: string) => {
    asked.push(name);
    const literals = answers[name];
    if (!literals) throw new Error('no such name');
    return literals;
  };
  const book = new HostBook({ lookup, limitMs: 1_000, clock, reaches: (family) => family === 4 });
  return { book, asked, clock, answers };
}

test('literals need no lookup', () => {
  const { book, asked } = bookOf({});
  expect(book.now(at('10.0.0.1:5'))).toEqual({ host: '10.0.0.1', port: 5 });
  expect(asked).toEqual([]);
});

test('a name is looked up once for many datagrams, to the first address that the sockets can reach', async () => {
  const { book, asked } = bookOf({ db: ['fd00::1', '10.0.0.1'] });
  expect(book.now(at('db:5'))).toBeUndefined();
  expect(await book.soon(at('db:5'))).toEqual({ host: '10.0.0.1', port: 5 });
  expect(book.now(at('db:6'))).toEqual({ host: '10.0.0.1', port: 6 });
  expect(asked).toEqual(['db']);
});

test('what comes from that address is spelled as the member spells itself', async () => {
  const { book } = bookOf({ db: ['10.0.0.1'] });
  await book.soon(at('db:5'));
  expect([book.spelling(at('10.0.0.1:5')), book.spelling(at('10.0.0.1:6'))]).toEqual(['db:5', '10.0.0.1:6']);
});

test('an old answer is used while a new one is asked for, and when there is none', async () => {
  const { book, clock, answers, asked } = bookOf({ db: ['10.0.0.1'] });
  await book.soon(at('db:5'));
  clock.advance(30_000);
  delete answers['db'];
  expect(book.now(at('db:5'))?.host).toBe('10.0.0.1');
  await new Promise(setImmediate);
  expect(book.now(at('db:5'))?.host).toBe('10.0.0.1');
  expect(asked).toEqual(['db', 'db']);
});

test('a name that does not resolve is tried again, but not with every datagram', async () => {
  const { book, clock, asked } = bookOf({});
  expect(await book.soon(at('db:5'))).toBeUndefined();
  expect(await book.soon(at('db:5'))).toBeUndefined();
  expect(asked).toEqual(['db']);
  clock.advance(2_000);
  await book.soon(at('db:5'));
  expect(asked).toEqual(['db', 'db']);
});
