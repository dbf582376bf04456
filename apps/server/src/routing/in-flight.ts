/** Works on all items, at most `most` of them at the same time, beginning with the first. `work` must not reject. */
export async function inFlight<Item>(most: number, items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < items.length) await work(items[next++]!);
  };
  await Promise.all(Array.from({ length: Math.min(most, items.length) }, worker));
}
