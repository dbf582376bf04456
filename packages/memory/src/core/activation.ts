import type { Evidence } from './evidence.js';
import type { MemoryTable } from './memory-table.js';
import type { ResolvedRecallTuning } from './options.js';

/** A memory that matches the cue itself and passes activation on. */
export interface Seed {
  readonly ordinal: number;
  /** How well it matches, in [0,1]. */
  readonly strength: number;
}

/** What can arrive at a memory from its neighbours in time, however many of them match: more says nothing more about it. */
export const neighboursMax = 2;

/**
 * Spreading activation (Collins & Loftus 1975; Anderson 1983), one hop from the seeds: to the memories next to them in
 * time and to those sharing a tag or name. Bounded by `seedsMax · 2 · neighbourReach` neighbours and
 * `associationSeedsMax · associationLinksMax · associationFanMax` associates, whatever the size of the space.
 * Seeds come in total order, and sums follow it, so equal sets of memories give equal bits.
 */
export function spread(table: MemoryTable, tuning: ResolvedRecallTuning, seeds: readonly Seed[], evidence: Evidence): void {
  if (tuning.neighbourWeight > 0) for (const seed of seeds) spreadInTime(table, tuning, seed, evidence);
  if (tuning.associationWeight > 0) spreadOverLinks(table, tuning, seeds.slice(0, tuning.associationSeedsMax), evidence);
}

/**
 * What happened next to a hit belongs to it: the answer after the question, the reason before the deed. A neighbour at
 * rank distance d and time gap g receives strength · decay^(d−1) / (1 + g/gap), times the forward bias when it came
 * after (contiguity and its asymmetry: Kahana 1996; Howard & Kahana 2002). What arrives adds up, to at most `neighboursMax`.
 */
function spreadInTime(table: MemoryTable, tuning: ResolvedRecallTuning, seed: Seed, evidence: Evidence): void {
  const place = table.timeline.placeOf(seed.ordinal);
  const passOn = (direction: Iterable<number>, bias: number): void => {
    let distance = 0;
    for (const ordinal of direction) {
      if (ordinal === seed.ordinal) continue;
      if (++distance > tuning.neighbourReach) return;
      if (!evidence.admit(ordinal)) continue;
      const gap = Math.abs(table.whenMs(ordinal) - table.whenMs(seed.ordinal));
      const decay = tuning.neighbourDecay ** (distance - 1) / (1 + gap / tuning.neighbourGapMs);
      evidence.neighbours[ordinal] = Math.min(neighboursMax, evidence.neighbours[ordinal]! + seed.strength * bias * decay);
    }
  };
  passOn(table.timeline.backwardFrom(place), 1);
  passOn(table.timeline.forwardFrom(place), tuning.forwardBias);
}

/**
 * A memory receives, over each tag or name it shares with seeds, their strengths divided by the square root of how many
 * memories share it: the fan effect (Anderson 1974), by which what is linked to everything recalls nothing. At most 1.
 */
function spreadOverLinks(table: MemoryTable, tuning: ResolvedRecallTuning, seeds: readonly Seed[], evidence: Evidence): void {
  const carriers = new Map<number, Seed[]>();
  for (const seed of seeds) {
    for (const link of linksOf(table, tuning, seed.ordinal)) {
      const known = carriers.get(link);
      if (known === undefined) carriers.set(link, [seed]);
      else known.push(seed);
    }
  }
  for (const [link, sources] of carriers) {
    const share = 1 / Math.sqrt(table.postings.count(link));
    table.postings.eachRun(link, (words, from, to) => {
      for (let i = from; i < to; i++) {
        const ordinal = words[i]! >>> 8;
        if (!evidence.admit(ordinal)) continue;
        for (const source of sources) {
          if (source.ordinal !== ordinal) evidence.associations[ordinal]! += source.strength * share;
        }
      }
    });
  }
  for (const link of carriers.keys()) {
    table.postings.eachRun(link, (words, from, to) => {
      for (let i = from; i < to; i++) {
        const ordinal = words[i]! >>> 8;
        evidence.associations[ordinal] = Math.min(1, evidence.associations[ordinal]!);
      }
    });
  }
}

/** A memory's tags and names that lead somewhere, the rarest first. */
function linksOf(table: MemoryTable, tuning: ResolvedRecallTuning, ordinal: number): number[] {
  const links: number[] = [];
  table.eachTerm(ordinal, (term) => {
    if (!table.vocabulary.isLink(term)) return;
    const fan = table.postings.count(term);
    if (fan >= 2 && fan <= tuning.associationFanMax) links.push(term);
  });
  const keyOf = (link: number): string => table.vocabulary.key(link);
  links.sort((a, b) => table.postings.count(a) - table.postings.count(b) || (keyOf(a) < keyOf(b) ? -1 : 1));
  return links.slice(0, tuning.associationLinksMax);
}
