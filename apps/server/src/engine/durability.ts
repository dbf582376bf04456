import { EngramError } from '@engram/kernel';
import type { AckLevel, Durability } from './engine-types.js';

/** No node keeps copies for another yet, so `local` is all that is reached, alone and in a cluster. @throws EngramError `invalid_argument` for any other level. */
export function reachLocal(requested: AckLevel = 'local'): Durability {
  if (requested !== 'local') {
    throw new EngramError('invalid_argument', `ack=${requested} needs copies on other nodes, and each node still stores its data alone.`, {
      hint: 'Use ack=local, or leave it out: the answer then says what was reached.',
      details: { field: 'ack' },
    });
  }
  return { requested, reached: 'local', copies: 1 };
}
