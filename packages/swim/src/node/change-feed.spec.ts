import { expect, test } from 'vitest';
import { ChangeFeed } from './change-feed.js';

const feedOf = (bufferMax = 3) => {
  let state = '';
  const ended: boolean[] = [];
  const feed = new ChangeFeed<string>(() => `all of ${state}`, () => ended.push(true), bufferMax);
  const push = (item: string) => {
    state += item;
    feed.push(item);
  };
  return { feed, push, ended };
};
const values = async (feed: ChangeFeed<string>, count: number) => {
  const seen: unknown[] = [];
  for (let i = 0; i < count; i++) seen.push((await feed.next()).value);
  return seen;
};

test('items come in order, whether the consumer waits for them or they for it', async () => {
  const { feed, push } = feedOf();
  const early = values(feed, 2);
  for (const item of ['a', 'b', 'c', 'd']) push(item);
  expect([await early, await values(feed, 2)]).toEqual([['a', 'b'], ['c', 'd']]);
});

test('a consumer that falls behind gets one item that holds everything, then goes on', async () => {
  const { feed, push } = feedOf();
  for (const item of ['a', 'b', 'c', 'd', 'e']) push(item);
  expect(await values(feed, 1)).toEqual(['all of abcde']);
  push('f');
  expect(await values(feed, 1)).toEqual(['f']);
});

test('the end comes after what is buffered, and to everybody who waits', async () => {
  const { feed, push, ended } = feedOf();
  push('a');
  feed.end();
  push('b');
  expect(await feed.next()).toEqual({ done: false, value: 'a' });
  expect(await feed.next()).toEqual({ done: true, value: undefined });

  const other = feedOf();
  const waiting = [other.feed.next(), other.feed.next()];
  other.feed.end();
  expect(await Promise.all(waiting)).toEqual([{ done: true, value: undefined }, { done: true, value: undefined }]);
  expect([ended, other.ended]).toEqual([[true], [true]]);
});

test('leaving the loop ends the feed and drops what is buffered', async () => {
  const { feed, push, ended } = feedOf();
  push('a');
  push('b');
  for await (const item of feed) {
    expect(item).toBe('a');
    break;
  }
  expect(ended).toEqual([true]);
  expect(await feed.next()).toEqual({ done: true, value: undefined });
});
