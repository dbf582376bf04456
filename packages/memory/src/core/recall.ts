import { spread, type Seed } from './activation.js';
import { isQuestion } from './analysis.js';
import { matchText } from './bm25.js';
import { hitConfidence, resultConfidence } from './confidence.js';
import { checkCue, checkRecallOptions, withoutEmptyText, type Cue, type RecallHit, type RecallOptions, type RecallResult, type ScoreParts } from './cue.js';
import { matchDates } from './date-match.js';
import { Evidence } from './evidence.js';
import { eachHolder, filterOf, rarestTag, type Filter } from './filters.js';
import type { MemoryTable } from './memory-table.js';
import type { ResolvedRecallTuning } from './options.js';
import { Best, type RanksBefore } from './ranking.js';
import { recencyOf } from './recency.js';
import { matchVector } from './vector-match.js';

/**
 * Recall: match the cue, let the best matches activate what is near them, weigh it all into one score, keep the best.
 *
 *   direct     = lexical                                          a cue of text
 *              | vector                                           a cue of an embedding
 *              | (1 − vectorShare) · lexical + vectorShare · vector   a cue of both
 *   own        = direct + timeWeight · time                       what the memory itself has of the cue
 *   reached    = neighbourWeight · neighbours + associationWeight · associations   what only came to it from others
 *   evidence   = own + reached
 *   score      = share · evidence / (evidence + halfScore)        share = questionShare for a question asked of a question, else 1
 *   sure       = own + reachedShare · reached
 *   confidence = stored confidence · share · sure / (sure + halfScore)
 *
 * where lexical, vector, associations and time lie in [0,1] and neighbours in [0,2], so that score and confidence lie in
 * [0,1]. The score grows with every part, and each part's share of it is its share of the evidence: those are the parts
 * `explain` returns. The score ranks: what stands beside a match is often the answer, so activation counts fully there.
 * The confidence filters: it rests on the memory's own match, so one that was only reached gets by the defaults at most
 * 0.27 of its writer's confidence, and seldom a third of that of the hit it was reached from.
 *
 * Text without searchable words says nothing, so other parts of the cue decide as if it were absent; alone it finds nothing.
 */
export function recall(table: MemoryTable, tuning: ResolvedRecallTuning, given: Cue, options: RecallOptions): RecallResult {
  checkCue(given);
  checkRecallOptions(options);
  const cue = withoutEmptyText(given);
  if (cue.embedding !== undefined) table.vectors.checkDimension(cue.embedding);

  const admits = filterOf(table, cue);
  if (cue.text === undefined && cue.embedding === undefined) return recallLatest(table, cue, admits, options);

  try {
    evidence.begin(table, admits);
    if (cue.text !== undefined) matchText(table, tuning, cue.text, evidence);
    if (cue.embedding !== undefined) matchVector(table, cue.embedding, evidence);
    const weights = weightsOf(tuning, cue);
    spread(table, tuning, strongest(table, weights, tuning.seedsMax), evidence);
    if (cue.text !== undefined) matchDates(table, tuning, cue.text, evidence);
    return bestOf(table, weights, options);
  } finally {
    evidence.clear();
  }
}

/** Columns over ordinals, shared by all recalls: they run to their end one after the other. */
const evidence = new Evidence();

interface Weights {
  readonly lexical: number;
  readonly vector: number;
  readonly neighbours: number;
  readonly associations: number;
  readonly time: number;
  /** What a memory that only asks keeps. */
  readonly question: number;
  readonly halfScore: number;
  readonly reachedShare: number;
}

function weightsOf(tuning: ResolvedRecallTuning, cue: Cue): Weights {
  const vector = cue.embedding === undefined ? 0 : cue.text === undefined ? 1 : tuning.vectorShare;
  return {
    lexical: 1 - vector,
    vector,
    neighbours: tuning.neighbourWeight,
    associations: tuning.associationWeight,
    time: tuning.timeWeight,
    question: cue.text !== undefined && isQuestion(cue.text) ? tuning.questionShare : 1,
    halfScore: tuning.halfScore,
    reachedShare: tuning.reachedShare,
  };
}

/** The best direct matches, best first: what activation spreads from. */
function strongest(table: MemoryTable, weights: Weights, seedsMax: number): Seed[] {
  const strength = evidence.score;
  const best = new Best(seedsMax, (a, b) => strength[a]! > strength[b]! || (strength[a] === strength[b] && table.id(a) < table.id(b)));
  evidence.eachCandidate((ordinal) => {
    strength[ordinal] = weights.lexical * evidence.lexical[ordinal]! + weights.vector * evidence.vector[ordinal]!;
    if (strength[ordinal]! > 0) best.offer(ordinal);
  });
  return best.inOrder().map((ordinal) => ({ ordinal, strength: strength[ordinal]! }));
}

/** Scores every candidate and keeps the best that are sure enough. */
function bestOf(table: MemoryTable, weights: Weights, { limit, minConfidence = 0, explain = false }: RecallOptions): RecallResult {
  const { score } = evidence;
  const confidence = (ordinal: number): number => hitConfidence(table.confidence(ordinal), surenessOf(table, weights, ordinal));
  const best = new Best(limit, totalOrder(table, (ordinal) => score[ordinal]!, confidence));
  evidence.eachCandidate((ordinal) => {
    score[ordinal] = scoreOf(table, weights, ordinal);
    if (score[ordinal]! > 0 && (minConfidence === 0 || confidence(ordinal) >= minConfidence)) best.offer(ordinal);
  });
  return resultOf(best.inOrder().map((ordinal): RecallHit => ({
    id: table.id(ordinal),
    score: score[ordinal]!,
    confidence: confidence(ordinal),
    ...(explain && { parts: partsOf(table, weights, ordinal) }),
  })));
}

/**
 * The sum of `partsOf`, each part rounded as there and added in the order they are listed, so that whoever adds up an
 * explanation gets the score to the last bit. Written out because it runs for every candidate and must not allocate.
 */
function scoreOf(table: MemoryTable, weights: Weights, ordinal: number): number {
  const scale = scaleOf(table, weights, ordinal);
  return weights.lexical * evidence.lexical[ordinal]! * scale
    + weights.vector * evidence.vector[ordinal]! * scale
    + weights.neighbours * evidence.neighbours[ordinal]! * scale
    + weights.associations * evidence.associations[ordinal]! * scale
    + weights.time * evidence.time[ordinal]! * scale;
}

function partsOf(table: MemoryTable, weights: Weights, ordinal: number): ScoreParts {
  const scale = scaleOf(table, weights, ordinal);
  return {
    lexical: weights.lexical * evidence.lexical[ordinal]! * scale,
    vector: weights.vector * evidence.vector[ordinal]! * scale,
    neighbours: weights.neighbours * evidence.neighbours[ordinal]! * scale,
    associations: weights.associations * evidence.associations[ordinal]! * scale,
    time: weights.time * evidence.time[ordinal]! * scale,
    recency: 0,
  };
}

/** How well the memory itself matches, in [0,1): activation that only reached it counts by its small share. */
function surenessOf(table: MemoryTable, weights: Weights, ordinal: number): number {
  const own = weights.lexical * evidence.lexical[ordinal]! + weights.vector * evidence.vector[ordinal]! + weights.time * evidence.time[ordinal]!;
  const reached = weights.neighbours * evidence.neighbours[ordinal]! + weights.associations * evidence.associations[ordinal]!;
  const sure = own + weights.reachedShare * reached;
  return sure * ((table.asks(ordinal) ? weights.question : 1) / (sure + weights.halfScore));
}

/** What turns each piece of evidence into its part of the score. */
function scaleOf(table: MemoryTable, weights: Weights, ordinal: number): number {
  const total = weights.lexical * evidence.lexical[ordinal]!
    + weights.vector * evidence.vector[ordinal]!
    + weights.neighbours * evidence.neighbours[ordinal]!
    + weights.associations * evidence.associations[ordinal]!
    + weights.time * evidence.time[ordinal]!;
  return (table.asks(ordinal) ? weights.question : 1) / (total + weights.halfScore);
}

/** A cue that only filters: the latest memories that pass, each matching fully. */
function recallLatest(table: MemoryTable, cue: Cue, admits: Filter, options: RecallOptions): RecallResult {
  const { limit, minConfidence = 0, explain = false } = options;
  const score = (ordinal: number): number => recencyOf(table.whenMs(ordinal));
  const confidence = (ordinal: number): number => hitConfidence(table.confidence(ordinal), 1);
  const best = new Best(limit, totalOrder(table, score, confidence));
  const offer = (ordinal: number): void => {
    if (admits(ordinal) && confidence(ordinal) >= minConfidence) best.offer(ordinal);
  };

  const tag = rarestTag(table, cue.tags ?? []);
  if (tag !== undefined) eachHolder(table, tag, offer);
  else {
    const { beforeMs = Infinity, afterMs = -Infinity } = cue;
    const { timeline } = table;
    for (const ordinal of timeline.backwardFrom(timeline.firstWhere((o) => table.whenMs(o) >= beforeMs))) {
      const worst = best.worstOfFull;
      if (table.whenMs(ordinal) < afterMs || (worst !== undefined && score(ordinal) < score(worst))) break;
      offer(ordinal);
    }
  }
  return resultOf(best.inOrder().map((ordinal): RecallHit => ({
    id: table.id(ordinal),
    score: score(ordinal),
    confidence: confidence(ordinal),
    ...(explain && { parts: { lexical: 0, vector: 0, neighbours: 0, associations: 0, time: 0, recency: score(ordinal) } }),
  })));
}

/** Score descending, confidence descending, id ascending. */
function totalOrder(table: MemoryTable, score: (ordinal: number) => number, confidence: (ordinal: number) => number): RanksBefore {
  return (a, b) => {
    const byScore = score(b) - score(a);
    if (byScore !== 0) return byScore < 0;
    const byConfidence = confidence(b) - confidence(a);
    if (byConfidence !== 0) return byConfidence < 0;
    return table.id(a) < table.id(b);
  };
}

function resultOf(hits: readonly RecallHit[]): RecallResult {
  return { hits, confidence: resultConfidence(hits) };
}
