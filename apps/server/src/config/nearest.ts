/**
 * The candidate a person most likely meant, or undefined when nothing is near.
 * Near is: at most a third of the letters wrong, or the same last word under one other table (`data_dir` for `node.data_dir`).
 */
export function nearest(written: string, candidates: Iterable<string>): string | undefined {
  const farthest = Math.max(1, Math.floor(written.length / 3));
  const lastWord = written.slice(Math.max(written.lastIndexOf('.'), written.lastIndexOf(' ')) + 1);
  let best: string | undefined;
  let bestDistance = Infinity;
  const sameWord: string[] = [];
  for (const candidate of candidates) {
    const distance = editDistance(written, candidate, Math.min(farthest, boundBeyondTable(written, candidate)));
    if (distance < bestDistance) [best, bestDistance] = [candidate, distance];
    if (candidate.endsWith(`.${lastWord}`) || candidate.endsWith(`_${lastWord}`)) sameWord.push(candidate);
  }
  // A slip of one or two letters is likelier than a key in the wrong table; a distant resemblance is not.
  if (bestDistance <= 2) return best;
  if (sameWord.length === 1) return sameWord[0];
  return bestDistance < Infinity ? best : undefined;
}

/** The tables that two paths share say nothing about how alike they are, so only the letters after them count. */
function boundBeyondTable(written: string, candidate: string): number {
  let shared = 0;
  for (let i = 0; i < written.length && written[i] === candidate[i]; i++) if (written[i] === '.') shared = i + 1;
  return Math.max(1, Math.floor((written.length - shared) / 3));
}

/**
 * Damerau-Levenshtein distance in its optimal string alignment form: an insertion, deletion, substitution or swap of
 * neighbours costs 1. Answers Infinity as soon as the distance must exceed `bound`.
 */
export function editDistance(a: string, b: string, bound = Infinity): number {
  if (Math.abs(a.length - b.length) > bound) return Infinity;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = last[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      let cost = Math.min(substituted, last[j]! + 1, row[j - 1]! + 1);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, beforeLast[j - 2]! + 1);
      row.push(cost);
    }
    if (Math.min(...row) > bound) return Infinity;
    [beforeLast, last] = [last, row];
  }
  const distance = last[b.length]!;
  return distance > bound ? Infinity : distance;
}
