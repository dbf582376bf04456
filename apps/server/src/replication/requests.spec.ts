import { EngramError } from '@engram/kernel';
import { expect, test } from 'vitest';
import { Requests } from './requests.js';

const fresh = (request: number) => ({ kind: 'fresh', request }) as const;
const stopping = new EngramError('shutting_down', 'This node is shutting down.');

test('each request is answered by its own number, once', async () => {
  const requests = new Requests();
  const asked: number[] = [];
  const [first, second] = [requests.open((request) => void asked.push(request)), requests.open((request) => void asked.push(request))];
  requests.settle(fresh(asked[1]!));
  requests.settle(fresh(asked[0]!));
  requests.settle(fresh(asked[0]!));
  requests.settle(fresh(99));
  expect([await first, await second]).toEqual([fresh(1), fresh(2)]);
  expect(requests.size).toBe(0);
});

test('an answer that comes while the question is asked is not missed', async () => {
  const requests = new Requests();
  expect(await requests.open((request) => requests.settle(fresh(request)))).toEqual(fresh(1));
});

test('closing waits for what is under way, and no longer than it is given', async () => {
  const requests = new Requests();
  const answered = requests.open(() => {});
  const emptied = requests.emptied(3_600_000);
  requests.settle(fresh(1));
  await emptied;
  await answered;
  const stuck = requests.open(() => {});
  await requests.emptied(1);
  requests.close(stopping);
  await expect(stuck).rejects.toMatchObject({ code: 'shutting_down', details: { indeterminate: true } });
});

test('after closing nothing is asked any more, and nothing of it was done', async () => {
  const requests = new Requests();
  requests.close(stopping);
  let asked = false;
  await expect(requests.open(() => (asked = true))).rejects.toMatchObject({ code: 'shutting_down', details: {} });
  expect(asked).toBe(false);
});
