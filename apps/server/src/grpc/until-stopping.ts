import { EngramError } from '@engram/kernel';

/**
 * Passes on what comes until the signal aborts, then fails with `shutting_down`. What is being worked on when the
 * signal aborts is finished first: a stream ends between two batches, never within one.
 */
export async function* untilStopping<Item>(source: AsyncIterable<Item>, signal: AbortSignal): AsyncGenerator<Item> {
  const items = source[Symbol.asyncIterator]();
  let stop: () => void = () => undefined;
  const stopped = new Promise<'stopped'>((resolve) => (stop = () => resolve('stopped')));
  signal.addEventListener('abort', stop, { once: true });
  try {
    while (!signal.aborted) {
      const next = items.next();
      // When the signal wins, nobody waits for this one any more, and its failure is nobody's concern.
      next.catch(() => undefined);
      const first = await Promise.race([next, stopped]);
      if (first === 'stopped') break;
      if (first.done === true) return;
      yield first.value;
    }
    throw new EngramError('shutting_down', 'The server is stopping; every batch that was answered is safe.', {
      hint: 'Go on with a new stream on another node, or on this one once it is back.',
    });
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
