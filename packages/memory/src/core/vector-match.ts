import type { Evidence } from './evidence.js';
import type { MemoryTable } from './memory-table.js';
import { normalised } from './vectors.js';

/**
 * Exact cosine with every vector held that the filter admits; opposed vectors (cosine below 0) count as unrelated.
 * It reads every vector, so its time grows with memories times dimension: about a millisecond per million components
 * on one core.
 */
export function matchVector(table: MemoryTable, embedding: Float32Array, evidence: Evidence): void {
  const cue = normalised(embedding);
  for (let ordinal = 0; ordinal < table.ordinalsEnd; ordinal++) {
    if (!table.vectors.has(ordinal) || !evidence.mayAdmit(ordinal)) continue;
    const cosine = table.vectors.cosine(ordinal, cue);
    // Rounding may carry a cosine just past 1.
    if (cosine > 0 && evidence.admit(ordinal)) evidence.vector[ordinal] = Math.min(1, cosine);
  }
}
