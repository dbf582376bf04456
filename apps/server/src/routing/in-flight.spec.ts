import { expect, test } from 'vitest';
import { inFlight } from './in-flight.js';

test('every item is worked on once, in order of beginning, and never more than so many at a time', async () => {
  const begun: number[] = [];
  let now = 0;
  let most = 0;
  const items = Array.from({ length: 50 }, (_, index) => index);

  await inFlight(4, items, async (item) => {
    begun.push(item);
    most = Math.max(most, (now += 1));
    for (let turns = 0; turns <= item % 3; turns += 1) await Promise.resolve();
    now -= 1;
  });

  expect([begun, most, now]).toEqual([items, 4, 0]);
});

test('without items nothing is done', async () => {
  await inFlight(4, [], () => Promise.reject(new Error('never')));
  expect.assertions(0);
});
