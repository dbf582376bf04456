import { expect, test } from 'vitest';
import { RecentIds } from './recent-ids.js';

test('an id is new once, until so many later ones have pushed it out', () => {
  const recent = new RecentIds(2);
  expect([recent.add('a'), recent.add('a'), recent.add('b'), recent.add('c'), recent.add('b'), recent.add('a')]).toEqual([true, false, true, true, false, true]);
});
