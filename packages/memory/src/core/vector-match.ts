import type { Evidence } from './evidence.js';
import type { MemoryTable } from './memory-table.js';
import { normalised } from './vectors.js';

/**
 * Exact cosine with every vector held that the filter admits; opposed vectors (cosine below 0) count as unrelated.
 * Time grows with memories × dimension: about 0.3 ms per million components.
 */
export function matchVector(table: MemoryTable, embedding: Float32Array, evidence: Evidence): void {
  const cue = normalised(embedding);
  for (let ordinal = 0; ordinal < table.ordinalsEnd; ordinal++) {
    if (!table.vectors.has(ordinal) || !evidence.admit(ordinal)) continue;
    // Rounding may carry a cosine just past 1.
    evidence.vector[ordinal] = Math.min(1, Math.max(0, table.vectors.cosine(ordinal, cue)));
  }
}
