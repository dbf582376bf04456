/**
 * How far to rely on a hit: what the writer claimed, times how well the memory itself matched. Both lie in [0,1], so it
 * does too, and no hit is surer than its writer was. A cue that only filters is matched fully by whatever passes (match 1).
 */
export function hitConfidence(storedConfidence: number, match: number): number {
  return storedConfidence * match;
}

/** How far to rely on a result: its surest hit. Further hits never lower it; no hits, no confidence. */
export function resultConfidence(hits: readonly { readonly confidence: number }[]): number {
  return hits.reduce((highest, hit) => Math.max(highest, hit.confidence), 0);
}
