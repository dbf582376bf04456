import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EventStream } from './event-stream.js';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const waiting = (stream: EventStream): string => String(stream.readable.read() ?? '');

test('an event is its id, its name and its data on one line', () => {
  const stream = new EventStream({ retryMs: 500 });
  stream.send('7-1', 'joined', { text: 'two\nlines' });
  expect(waiting(stream)).toBe('retry: 500\n\nid: 7-1\nevent: joined\ndata: {"text":"two\\nlines"}\n\n');
  stream.end();
});

test('a silent stream beats like a heart, until it ends', () => {
  const stream = new EventStream({ heartbeatMs: 1_000 });
  waiting(stream);
  vi.advanceTimersByTime(2_500);
  expect(waiting(stream)).toBe(': heartbeat\n\n: heartbeat\n\n');
  stream.end();
  expect(vi.getTimerCount()).toBe(0);
});

test('a reader that takes nothing is cut off at the bound', async () => {
  const onEnd = vi.fn();
  const stream = new EventStream({ waitingBytesMax: 1_000, onEnd });
  const closed = new Promise((resolve) => stream.readable.once('close', resolve));
  for (let n = 0; n < 100; n += 1) stream.send(`7-${n}`, 'updated', { filler: 'x'.repeat(100) });
  expect(stream.readable.destroyed).toBe(true);
  expect(stream.readable.readableLength).toBeLessThan(1_200);
  await closed;
  expect(onEnd).toHaveBeenCalledTimes(1);
  expect(vi.getTimerCount()).toBe(0);
  stream.send('7-101', 'updated', {});
  stream.end();
});
