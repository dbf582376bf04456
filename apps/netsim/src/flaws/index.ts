import { EngramError } from '@engram/kernel';
import { answersNoPings } from './answers-no-pings.js';
import { believesEveryProbe } from './believes-every-probe.js';
import { clusterUnchecked } from './cluster-unchecked.js';
import { deadNeverContacted } from './dead-never-contacted.js';
import { epochNotPersisted } from './epoch-not-persisted.js';
import type { Flaw } from './flaw.js';
import { forgetsToRefute } from './forgets-to-refute.js';
import { incarnationOverwritten } from './incarnation-overwritten.js';
import { keepsNewsToItself } from './keeps-news-to-itself.js';

import { saysEverythingThrice } from './says-everything-thrice.js';
import { tombstonesForgotten } from './tombstones-forgotten.js';

export const flaws: readonly Flaw[] = [
  forgetsToRefute, epochNotPersisted, incarnationOverwritten, tombstonesForgotten, deadNeverContacted,
  answersNoPings, believesEveryProbe, keepsNewsToItself, saysEverythingThrice, clusterUnchecked,
];

/** Throws `invalid_argument` naming those there are. */
export function flawNamed(name: string): Flaw {
  const found = flaws.find((flaw) => flaw.name === name);
  if (!found) throw new EngramError('invalid_argument', `there is no flaw ${name}`, { hint: `Flaws: ${flaws.map((flaw) => flaw.name).join(', ')}.` });
  return found;
}
