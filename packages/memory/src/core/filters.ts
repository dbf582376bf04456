import type { Cue } from './cue.js';
import type { MemoryTable } from './memory-table.js';

export type Filter = (ordinal: number) => boolean;

/** Lets a memory pass that carries every tag of the cue and happened in `[afterMs, beforeMs)`. */
export function filterOf(table: MemoryTable, cue: Cue): Filter {
  const inTime = timeFilter(table, cue);
  const tags = [...new Set(cue.tags ?? [])];
  if (tags.length === 0) return inTime;
  const tagsCarried = new Uint8Array(table.ordinalsEnd);
  for (const tag of tags) eachHolder(table, tag, (ordinal) => tagsCarried[ordinal]!++);
  return (ordinal) => tagsCarried[ordinal] === tags.length && inTime(ordinal);
}

function timeFilter(table: MemoryTable, { afterMs = -Infinity, beforeMs = Infinity }: Cue): Filter {
  if (afterMs === -Infinity && beforeMs === Infinity) return () => true;
  return (ordinal) => table.whenMs(ordinal) >= afterMs && table.whenMs(ordinal) < beforeMs;
}

/** The memories carrying a tag, in no particular order. */
export function eachHolder(table: MemoryTable, tag: string, visit: (ordinal: number) => void): void {
  const number = table.vocabulary.find('tag', tag);
  if (number === undefined) return;
  table.postings.eachRun(number, (words, from, to) => {
    for (let i = from; i < to; i++) visit(words[i]! >>> 8);
  });
}

/** The one of these tags that the fewest memories carry: where a search by tags starts. */
export function rarestTag(table: MemoryTable, tags: readonly string[]): string | undefined {
  const holders = (tag: string): number => table.postings.count(table.vocabulary.find('tag', tag) ?? -1);
  return [...tags].sort((a, b) => holders(a) - holders(b) || (a < b ? -1 : 1))[0];
}
