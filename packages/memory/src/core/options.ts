import { OptionsError } from '@engram/kernel';

/**
 * How a recall weighs its evidence. The defaults were chosen by what two conversations of the LoCoMo set gained
 * (`tools/locomo` prints those apart from the rest). Quality is flat around them, so a deployment rarely gains by moving
 * them.
 */
export interface RecallTuning {
  /** How fast repeating a word stops counting (BM25 k1). Memories are short: a word is either in them or not. @default 0.9 */
  readonly k1?: number;
  /** How much long memories are marked down (BM25 b), 0 to 1. Short ones are often mere courtesies, so less than the textbook 0.75. @default 0.4 */
  readonly b?: number;
  /** Share of the vector when a cue has both text and embedding, 0 to 1. @default 0.5 */
  readonly vectorShare?: number;

  /** How many of the best direct matches pass activation on. Bounds the work of spreading. @default 50 */
  readonly seedsMax?: number;
  /** Share of a seed's match that reaches its closest neighbour in time; 0 switches neighbours off. @default 0.4 */
  readonly neighbourWeight?: number;
  /** How many memories before and after a seed are reached. @default 3 */
  readonly neighbourReach?: number;
  /** What is left of the activation with each further neighbour, 0 to 1. @default 0.65 */
  readonly neighbourDecay?: number;
  /** A gap of this length halves the activation, so an hour binds and a month does not. @default 3_600_000 (an hour) */
  readonly neighbourGapMs?: number;
  /** Advantage of what came after a seed over what came before it: people recall forwards (Kahana 1996). @default 1.5 */
  readonly forwardBias?: number;

  /** Share of activation that travels over a shared tag or name; 0 switches associations off. @default 0.1 */
  readonly associationWeight?: number;
  /** How many seeds pass activation over their tags and names. @default 10 */
  readonly associationSeedsMax?: number;
  /** How many of a seed's tags and names, the rarest first, carry activation. @default 8 */
  readonly associationLinksMax?: number;
  /** A tag or name on more memories than this says too little and carries nothing. @default 64 */
  readonly associationFanMax?: number;

  /** Weight of lying at a date the cue's text names; 0 switches it off. @default 0.1 */
  readonly timeWeight?: number;
  /** Things are told after they happen: this long after the named date the weight has halved. @default 259_200_000 (three days) */
  readonly timeGapMs?: number;

  /** What a memory that only asks (ends in a question mark) keeps of its score when the cue itself asks, 0 to 1. @default 0.9 */
  readonly questionShare?: number;
  /** The evidence at which the score is one half. Changes the scale of scores, not their order. @default 0.25 */
  readonly halfScore?: number;
  /** How much of the activation that reached a memory counts towards its confidence, 0 to 1. Low, because being near a match is no match. @default 0.1 */
  readonly reachedShare?: number;
}

/** Every setting with its value. */
export type ResolvedRecallTuning = Required<RecallTuning>;

export const defaultRecallTuning: ResolvedRecallTuning = {
  k1: 0.9,
  b: 0.4,
  vectorShare: 0.5,
  seedsMax: 50,
  neighbourWeight: 0.4,
  neighbourReach: 3,
  neighbourDecay: 0.65,
  neighbourGapMs: 3_600_000,
  forwardBias: 1.5,
  associationWeight: 0.1,
  associationSeedsMax: 10,
  associationLinksMax: 8,
  associationFanMax: 64,
  timeWeight: 0.1,
  timeGapMs: 259_200_000,
  questionShare: 0.9,
  halfScore: 0.25,
  reachedShare: 0.1,
};

/** Throws OptionsError naming the field that is out of its range. */
export function resolveRecallTuning(tuning: RecallTuning = {}): ResolvedRecallTuning {
  const resolved = { ...defaultRecallTuning, ...tuning };
  for (const name of ['k1', 'neighbourWeight', 'forwardBias', 'associationWeight', 'timeWeight'] as const) {
    if (!(resolved[name] >= 0 && resolved[name] <= 100)) throw new OptionsError(name, 'must be a number from 0 to 100');
  }
  for (const name of ['b', 'vectorShare', 'neighbourDecay', 'questionShare', 'reachedShare'] as const) {
    if (!(resolved[name] >= 0 && resolved[name] <= 1)) throw new OptionsError(name, 'must be a number from 0 to 1');
  }
  for (const name of ['neighbourGapMs', 'timeGapMs', 'halfScore'] as const) {
    if (!(resolved[name] > 0 && Number.isFinite(resolved[name]))) throw new OptionsError(name, 'must be a number above 0');
  }
  for (const name of ['seedsMax', 'neighbourReach', 'associationSeedsMax', 'associationLinksMax', 'associationFanMax'] as const) {
    if (!(Number.isInteger(resolved[name]) && resolved[name] >= 0 && resolved[name] <= 1_000)) {
      throw new OptionsError(name, 'must be a whole number from 0 to 1000, since it bounds the work of a recall');
    }
  }
  return resolved;
}
