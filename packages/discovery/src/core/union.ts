import { readEndpoint, spelled } from './endpoint.js';

/** More of one answer than this is not looked at: nobody can be made to sort a million addresses. */
export const answerEndpointsMax = 65_536;

/** An answer as it is kept: each endpoint once, in its one spelling, in the order of the text. */
export interface CleanAnswer {
  readonly endpoints: readonly string[];
  /** What was left out of it and why. */
  readonly notes: readonly string[];
}

/** Takes what can be used of whatever a source answered. Never throws; at most `endpointsMax` are kept. */
export function cleanAnswer(endpoints: readonly unknown[], endpointsMax: number): CleanAnswer {
  const found = new Set<string>();
  let unreadable = 0;
  const looked = Math.min(endpoints.length, answerEndpointsMax);
  for (let i = 0; i < looked; i++) {
    const endpoint = readEndpoint(endpoints[i]);
    if (endpoint) found.add(spelled(endpoint));
    else unreadable += 1;
  }
  const notes: string[] = [];
  if (unreadable > 0) notes.push(`${unreadable} of ${endpoints.length} addresses cannot be read and were left out`);
  if (endpoints.length > looked) notes.push(`${endpoints.length} addresses, of which only the first ${looked} were looked at`);
  if (found.size > endpointsMax) notes.push(`${found.size} addresses, of which ${endpointsMax} are kept`);
  return { endpoints: [...found].sort().slice(0, endpointsMax), notes };
}

/** All answers in one. */
export interface Union {
  readonly endpoints: readonly string[];
  readonly bySource: Readonly<Record<string, readonly string[]>>;
  /** How many there was no room for. */
  readonly omitted: number;
}

/**
 * All answers in one, without `own`. When there are more than `endpointsMax`, sources give one endpoint each in turn until
 * the room is used up, so a source with thousands never pushes out one with three. The order is that of the text, which
 * no source and no arrival changes.
 */
export function unionOf(answers: readonly { readonly source: string; readonly endpoints: readonly string[] }[], own: ReadonlySet<string>, endpointsMax: number): Union {
  const sources = new Map<string, string[]>();
  for (const { source, endpoints } of answers) {
    for (const endpoint of endpoints) {
      if (own.has(endpoint)) continue;
      const named = sources.get(endpoint);
      if (named) named.push(source);
      else sources.set(endpoint, [source]);
    }
  }
  const kept = sources.size <= endpointsMax ? [...sources.keys()] : fairShare(answers.map(({ endpoints }) => endpoints.filter((endpoint) => !own.has(endpoint))), endpointsMax);
  kept.sort();
  // A host name may be spelled like a property that every object has, so the record has no prototype.
  const bySource = Object.create(null) as Record<string, readonly string[]>;
  for (const endpoint of kept) bySource[endpoint] = sources.get(endpoint) ?? [];
  return { endpoints: kept, bySource, omitted: sources.size - kept.length };
}

function fairShare(lists: readonly (readonly string[])[], endpointsMax: number): string[] {
  const chosen = new Set<string>();
  const next = lists.map(() => 0);
  for (let gave = true; gave && chosen.size < endpointsMax; ) {
    gave = false;
    for (const [i, list] of lists.entries()) {
      let at = next[i] ?? 0;
      // What another source gave already costs no turn.
      while (at < list.length && chosen.has(list[at] as string)) at++;
      if (at < list.length && chosen.size < endpointsMax) {
        chosen.add(list[at] as string);
        gave = true;
      }
      next[i] = at + 1;
    }
  }
  return [...chosen];
}
