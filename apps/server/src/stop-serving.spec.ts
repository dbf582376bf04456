import { expect, test } from 'vitest';
import { stopServing, type Serving } from './stop-serving.js';

function serving(): { readonly serving: Serving; readonly began: string[]; handedOver(): void } {
  const began: string[] = [];
  let handedOver: () => void = () => undefined;
  return {
    began,
    handedOver: () => handedOver(),
    serving: {
      leave: () => (began.push('leave'), new Promise((resolve) => (handedOver = resolve))),
      closeHttp: async () => void began.push('http'),
      closeGrpc: async (graceMs) => void began.push(graceMs <= 1_000 && graceMs >= 0 ? 'grpc' : `grpc with ${graceMs} ms`),
    },
  };
}

test('other nodes are heard until everything is handed over; clients of HTTP need not wait for that', async () => {
  const node = serving();
  const stopped = stopServing(node.serving, 1_000);
  await new Promise((resolve) => setImmediate(resolve));
  expect(node.began).toEqual(['leave', 'http']);
  node.handedOver();
  await stopped;
  expect(node.began).toEqual(['leave', 'http', 'grpc']);
});

test('a goodbye that took all the time leaves none for calls', async () => {
  const node = serving();
  const stopped = stopServing(node.serving, 0);
  node.handedOver();
  await stopped;
  expect(node.began).toContain('grpc');
});
