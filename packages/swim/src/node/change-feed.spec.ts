import { expect, test } from 'vitest';
import { ChangeFeed } from './change-feed.js';

interface Step {
  readonly version: number;
  readonly what: string;
}

const feedOf = (bufferMax = 3, known = 0) => {
  let version = 0;
  const ended: boolean[] = [];
  const resync = (): Step => ({ version, what: `all up to ${version}` });
  const feed = new ChangeFeed<Step>(known, resync, () => ended.push(true), bufferMax);
  /** A step that has happened, and that the feed is told of now or later. */
  const happen = (): Step => ({ version: ++version, what: `step ${version}` });
  const push = (steps = 1) => {
    for (let i = 0; i < steps; i++) feed.push(happen());
  };
  return { feed, happen, push, ended };
};
const values = async (feed: ChangeFeed<Step>, count: number) => {
  const seen: (string | undefined)[] = [];
  for (let i = 0; i < count; i++) seen.push((await feed.next()).value?.what);
  return seen;
};

test('items come in order, whether the consumer waits for them or they for it', async () => {
  const { feed, push } = feedOf();
  const early = values(feed, 2);
  push(4);
  expect([await early, await values(feed, 2)]).toEqual([['step 1', 'step 2'], ['step 3', 'step 4']]);
});

test('a consumer that falls behind gets one item that holds everything, then goes on', async () => {
  const { feed, push } = feedOf();
  push(5);
  expect(await values(feed, 1)).toEqual(['all up to 5']);
  push();
  expect(await values(feed, 1)).toEqual(['step 6']);
});

test('what a resync held already is not told again', async () => {
  const { feed, happen, push } = feedOf();
  push(5);
  const late = happen();
  expect(await values(feed, 1)).toEqual(['all up to 6']);
  feed.push(late);
  push();
  expect(await values(feed, 1)).toEqual(['step 7']);
});

test('what was known when the feed began is not told', async () => {
  const { feed, push } = feedOf(3, 2);
  push(3);
  expect(await values(feed, 1)).toEqual(['step 3']);
});

test('the end comes after what is buffered, and to everybody who waits', async () => {
  const { feed, push, ended } = feedOf();
  push();
  feed.end();
  push();
  expect(await values(feed, 2)).toEqual(['step 1', undefined]);
  expect((await feed.next()).done).toBe(true);

  const other = feedOf();
  const waiting = [other.feed.next(), other.feed.next()];
  other.feed.end();
  expect(await Promise.all(waiting)).toEqual([{ done: true, value: undefined }, { done: true, value: undefined }]);
  expect([ended, other.ended]).toEqual([[true], [true]]);
});

test('leaving the loop ends the feed and drops what is buffered', async () => {
  const { feed, push, ended } = feedOf();
  push(2);
  for await (const { what } of feed) {
    expect(what).toBe('step 1');
    break;
  }
  expect(ended).toEqual([true]);
  expect(await feed.next()).toEqual({ done: true, value: undefined });
});
