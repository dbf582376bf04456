import { expect, test } from 'vitest';
import { overlapped } from './overlapped.js';

/** Work whose end the test decides. */
class Bench {
  readonly begun: string[] = [];
  readonly #ends = new Map<string, { resolve: (result: string) => void; reject: (error: Error) => void }>();

  readonly work = (item: string): Promise<string> => {
    this.begun.push(item);
    return new Promise((resolve, reject) => this.#ends.set(item, { resolve, reject }));
  };

  finish(...items: string[]): void {
    for (const item of items) this.#ends.get(item)!.resolve(`${item} done`);
  }

  fail(item: string): void {
    this.#ends.get(item)!.reject(new Error(`${item} failed`));
  }
}

/** Lets everything happen that needs nobody to act. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
}

async function* streamOf(items: readonly string[], then?: Error): AsyncGenerator<string> {
  yield* items;
  if (then) throw then;
}

async function collected(results: AsyncIterable<string>, into: string[]): Promise<void> {
  for await (const result of results) into.push(result);
}

test('the first is worked on alone, then two at a time, and results keep the order of the items', async () => {
  const bench = new Bench();
  const results: string[] = [];
  const all = collected(overlapped(streamOf(['a', 'b', 'c', 'd']), bench.work), results);
  await quiet();
  expect(bench.begun).toEqual(['a']);
  bench.finish('a');
  await quiet();
  expect(bench.begun).toEqual(['a', 'b', 'c']);
  bench.finish('c');
  await quiet();
  expect([results, bench.begun]).toEqual([['a done'], ['a', 'b', 'c']]);
  bench.finish('b');
  await quiet();
  expect([results, bench.begun]).toEqual([['a done', 'b done', 'c done'], ['a', 'b', 'c', 'd']]);
  bench.finish('d');
  await all;
  expect(results).toEqual(['a done', 'b done', 'c done', 'd done']);
});

test('a result does not wait for an item that has not come', async () => {
  const results: string[] = [];
  const waitsForAnswers = async function* (): AsyncGenerator<string> {
    for (let sent = 0; sent < 4; sent++) {
      while (results.length < sent) await Promise.resolve();
      yield `${sent}`;
    }
  };
  await collected(overlapped(waitsForAnswers(), (item) => Promise.resolve(item)), results);
  expect(results).toEqual(['0', '1', '2', '3']);
});

test('an empty stream has no results', async () => {
  const results: string[] = [];
  await collected(overlapped(streamOf([]), new Bench().work), results);
  expect(results).toEqual([]);
});

test('when the stream fails, what was begun is handed out first', async () => {
  const bench = new Bench();
  const results: string[] = [];
  const all = collected(overlapped(streamOf(['a', 'b'], new Error('the stream broke')), bench.work), results);
  const failure = expect(all).rejects.toThrow('the stream broke');
  await quiet();
  bench.finish('a');
  await quiet();
  bench.finish('b');
  await failure;
  expect(results).toEqual(['a done', 'b done']);
});

test('when work fails, the failure comes in its place and nothing more is begun', async () => {
  const bench = new Bench();
  const results: string[] = [];
  const all = collected(overlapped(streamOf(['a', 'b', 'c', 'd']), bench.work), results);
  const failure = expect(all).rejects.toThrow('b failed');
  await quiet();
  bench.finish('a');
  await quiet();
  bench.fail('b');
  bench.finish('c');
  await failure;
  expect([results, bench.begun]).toEqual([['a done'], ['a', 'b', 'c']]);
});

test('work that throws at once is work that fails', async () => {
  const results = overlapped(streamOf(['a', 'b']), (item) => {
    if (item === 'b') throw new Error('no b');
    return Promise.resolve(item);
  });
  expect((await results.next()).value).toBe('a');
  await expect(results.next()).rejects.toThrow('no b');
});

test('when nobody wants more, what was begun is finished and the stream is let go', async () => {
  const bench = new Bench();
  let released = false;
  const source = async function* (): AsyncGenerator<string> {
    try {
      yield* ['a', 'b', 'c', 'd'];
    } finally {
      released = true;
    }
  };
  const results = overlapped(source(), bench.work);
  const first = results.next();
  await quiet();
  bench.finish('a');
  await first;
  const second = results.next();
  await quiet();
  bench.finish('b');
  expect((await second).value).toBe('b done');
  let ended = false;
  const end = results.return().then(() => (ended = true));
  await quiet();
  expect(ended).toBe(false);
  bench.finish('c');
  await end;
  await quiet();
  expect(released).toBe(true);
});
