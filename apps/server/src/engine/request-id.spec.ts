import { parseSpaceId } from '@engram/kernel';
import { expect, test } from 'vitest';
import { idOfRequest } from './request-id.js';

const space = parseSpaceId('travel');

test('the same request has the same id, which looks like any other', () => {
  const id = idOfRequest(space, 'key-1', 'print');
  expect(id).toBe(idOfRequest(space, 'key-1', 'print'));
  expect(id).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
});

test('another space, key or draft has another one', () => {
  const ids = [idOfRequest(space, 'key-1', 'print'), idOfRequest(parseSpaceId('home'), 'key-1', 'print'), idOfRequest(space, 'key-2', 'print'), idOfRequest(space, 'key-1', 'other')];
  expect(new Set(ids).size).toBe(4);
});
