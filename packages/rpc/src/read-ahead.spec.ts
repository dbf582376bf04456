import { expect, test } from 'vitest';
import { limitReadAhead } from './read-ahead.js';

test.each([0, -1, 1.5, NaN])('a bound of %d messages is refused', (messagesMax) => {
  expect(() => limitReadAhead(messagesMax)).toThrow(expect.objectContaining({ code: 'invalid_options' }));
});
