import { expect, test } from 'vitest';
import { Outbox } from './outbox.js';

interface Events {
  a: number;
}

test('events are delivered in order, after the work that caused them', async () => {
  const seen: unknown[] = [];
  const outbox = new Outbox<Events>((_type, event) => seen.push(event), () => seen.push('empty'));
  outbox.put('a', 1);
  outbox.put('a', 2);
  seen.push('work done');
  await Promise.resolve();
  expect(seen).toEqual(['work done', 1, 2, 'empty']);
  expect(outbox.isEmpty).toBe(true);
});

test('what a listener causes never reaches it from within, and does not stop the process', async () => {
  const seen: string[] = [];
  const outbox: Outbox<Events> = new Outbox<Events>((_type, event) => {
    seen.push(`begin ${event}`);
    if (event < 3) outbox.put('a', event + 1);
    seen.push(`end ${event}`);
  }, () => undefined);
  outbox.put('a', 1);
  await Promise.resolve();
  expect(seen).toEqual(['begin 1', 'end 1']);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  await new Promise(setImmediate);
  expect(seen).toEqual(['begin 1', 'end 1', 'begin 2', 'end 2', 'begin 3', 'end 3']);
});
