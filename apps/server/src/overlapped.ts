type Arrival<Item> = { readonly kind: 'item'; readonly item: Item } | { readonly kind: 'end' } | { readonly kind: 'failed'; readonly error: unknown };

/**
 * Works on the items of a stream and hands out the results in their order, at most two at work: while the disk takes
 * one, the processor prepares the next. A result never waits for an item that has not come, so a client may wait for
 * each answer before it goes on. The first item is worked on alone, because what refuses it may refuse the whole stream.
 *
 * Takes an item only when fewer than two are at work. When the source or the work fails, or nobody wants more results,
 * what was begun is finished first; after a failure of the source its results are still handed out.
 */
export async function* overlapped<Item, Result>(source: AsyncIterable<Item>, work: (item: Item) => Promise<Result>): AsyncGenerator<Result, void> {
  const items = source[Symbol.asyncIterator]();
  let earlier: Promise<Result> | undefined;
  let later: Promise<Result> | undefined;
  const begin = async (item: Item): Promise<Result> => work(item);
  try {
    const first = await arrivalOf(items);
    if (first.kind === 'failed') throw first.error;
    if (first.kind === 'end') return;
    yield await begin(first.item);

    let coming = arrivalOf(items);
    for (;;) {
      if (earlier !== undefined && (await firstToSettle(earlier, coming)) === 'earlier') {
        yield await earlier;
        earlier = undefined;
      }
      const arrival = await coming;
      if (arrival.kind === 'item') later = begin(arrival.item);
      if (earlier !== undefined) yield await earlier;
      if (arrival.kind === 'failed') throw arrival.error;
      if (arrival.kind === 'end') return;
      [earlier, later] = [later, undefined];
      coming = arrivalOf(items);
    }
  } finally {
    await Promise.allSettled([earlier, later]);
    // Not awaited: a source that is waiting for its next item hears of this only when that has come.
    void items.return?.().then(undefined, () => undefined);
  }
}

/** Never rejects, so it may be left waiting. */
function arrivalOf<Item>(items: AsyncIterator<Item>): Promise<Arrival<Item>> {
  return items.next().then(
    ({ done, value }): Arrival<Item> => (done === true ? { kind: 'end' } : { kind: 'item', item: value as Item }),
    (error: unknown) => ({ kind: 'failed', error }),
  );
}

function firstToSettle(earlier: Promise<unknown>, coming: Promise<unknown>): Promise<'earlier' | 'coming'> {
  const settled = (): 'earlier' => 'earlier';
  return Promise.race([earlier.then(settled, settled), coming.then((): 'coming' => 'coming')]);
}
