import { EngramError } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { indexOf, remembered } from '../../test/remembered.js';
import { neighboursMax } from './activation.js';
import { cueTermsMax } from './bm25.js';
import type { RecallResult, ScoreParts } from './cue.js';
import { datedCandidatesMax } from './date-match.js';
import type { SpaceIndex } from './space-index.js';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const at = (iso: string): number => Date.parse(iso);
const idsOf = (result: RecallResult): string[] => result.hits.map((hit) => hit.id);
const ask = (index: SpaceIndex, text: string): string[] => idsOf(index.recall({ text }, { limit: 10 }));
const partsIn = (result: RecallResult, id: string): ScoreParts => {
  const parts = result.hits.find((hit) => hit.id === id)?.parts;
  if (parts === undefined) throw new Error(`${id} is not among the hits`);
  return parts;
};
/** Direct matches only, so that a test about matching is not disturbed by activation. */
const direct = { neighbourWeight: 0, associationWeight: 0, timeWeight: 0 };

describe('recall by text', () => {
  test('finds what shares words with the cue, in any of their forms, and nothing else', () => {
    const index = indexOf([
      remembered('paint', 'She has been painting the harbour'),
      remembered('bread', 'Bread is baked on Tuesdays'),
      remembered('garden', 'The garden needs water'),
    ], direct);
    expect(ask(index, 'Who painted?')).toEqual(['paint']);
    expect(ask(index, 'zebra')).toEqual([]);
    expect(ask(index, 'who are you?')).toEqual([]);
  });

  test('a rare word says more than a common one', () => {
    const index = indexOf([
      ...Array.from({ length: 8 }, (_, i) => remembered(`tea${i}`, 'tea in the kitchen')),
      remembered('rare', 'harpsichord in the kitchen'),
    ], direct);
    expect(ask(index, 'tea harpsichord')[0]).toBe('rare');
  });

  test('words of tags are found like words of the content, numbers in tags are not', () => {
    const index = indexOf([remembered('m1', 'Booked the hotel', { tags: ['summer-holiday', 'trip-17'] })], direct);
    expect(ask(index, 'holidays')).toEqual(['m1']);
    expect(ask(index, '17')).toEqual([]);
  });

  test('a pictograph is found like a word, and a special letter by its usual spelling', () => {
    const index = indexOf([remembered('pizza', 'I love 🍕'), remembered('street', 'Das Café in der Langen Straße')], direct);
    expect(ask(index, '🍕')).toEqual(['pizza']);
    expect(ask(index, 'lange strasse cafe')).toEqual(['street']);
  });

  test('a memory of no words at all is found by its tags', () => {
    expect(ask(indexOf([remembered('m1', '…', { tags: ['silence'] })], direct), 'silence')).toEqual(['m1']);
  });

  test('covering more of the cue scores higher, and what no memory holds lowers every score', () => {
    const index = indexOf([remembered('both', 'red apple'), remembered('one', 'red wall')], direct);
    expect(ask(index, 'red apple')).toEqual(['both', 'one']);
    const scoreFor = (text: string): number => index.recall({ text }, { limit: 1 }).hits[0]!.score;
    expect(scoreFor('red apple zeppelin')).toBeLessThan(scoreFor('red apple'));
  });

  test('a memory that only asks stands behind one that tells, when the cue asks', () => {
    const memories = [remembered('a-asks', 'Did Anna sell the boat?'), remembered('tells', 'Yes, Anna did sell the boat')];
    expect(ask(indexOf(memories, direct), 'Who sold the boat?')).toEqual(['tells', 'a-asks']);
    expect(ask(indexOf(memories, direct), 'boat sale')).toEqual(ask(indexOf(memories, { ...direct, questionShare: 1 }), 'boat sale'));
  });

  test('a cue of more words than are looked up loses its commonest', () => {
    const index = indexOf([remembered('m1', 'common'), remembered('m2', 'common')], direct);
    const unheard = (count: number): string => Array.from({ length: count }, (_, i) => `unheard${i}`).join(' ');
    expect(ask(index, `common ${unheard(cueTermsMax - 1)}`)).toEqual(['m1', 'm2']);
    expect(ask(index, `common ${unheard(cueTermsMax)}`)).toEqual([]);
  });

  test('a word said in the content is not counted again, or less, for being a tag too', () => {
    const index = indexOf([remembered('plain', 'tea tea tea'), remembered('tagged', 'tea tea tea', { tags: ['tea'] })], direct);
    const { hits } = index.recall({ text: 'tea' }, { limit: 2 });
    expect(hits[0]!.score).toBe(hits[1]!.score);
  });
});

describe('recall by vector', () => {
  const index = indexOf([
    remembered('east', 'alpha', { embedding: Float32Array.of(1, 0) }),
    remembered('north', 'beta', { embedding: Float32Array.of(0, 1) }),
    remembered('west', 'gamma', { embedding: Float32Array.of(-1, 0) }),
    remembered('none', 'alpha'),
  ], direct);

  test('ranks by direction; opposed and absent vectors are no match', () => {
    expect(idsOf(index.recall({ embedding: Float32Array.of(5, 1) }, { limit: 10 }))).toEqual(['east', 'north']);
  });

  test('text and vector together weigh both', () => {
    const result = index.recall({ text: 'beta', embedding: Float32Array.of(1, 0) }, { limit: 10, explain: true });
    expect(idsOf(result).sort()).toEqual(['east', 'north']);
    expect(partsIn(result, 'north').vector).toBe(0);
    expect(partsIn(result, 'east').lexical).toBe(0);
  });

  test('a vector of another dimension is refused', () => {
    expect(() => index.recall({ embedding: Float32Array.of(1, 0, 0) }, { limit: 1 })).toThrow(expect.objectContaining({ code: 'embedding_dimension_mismatch' }));
  });
});

describe('spreading activation', () => {
  test('a hit brings what happened next to it, the following before the preceding', () => {
    const index = indexOf(['before', 'hit', 'after', 'second', 'third', 'fourth'].map((id, i) =>
      remembered(id, id === 'hit' ? 'What did the doctor say' : `nothing about it ${id}`, { whenMs: i * 60_000 })));
    expect(ask(index, 'doctor')).toEqual(['hit', 'after', 'before', 'second', 'third']);
  });

  test('what lies days apart receives far less than what lies minutes apart', () => {
    const index = indexOf([
      remembered('hit', 'the doctor called', { whenMs: 0 }),
      remembered('minutes', 'take two a day', { whenMs: 5 * 60_000 }),
      remembered('days', 'the weather turned', { whenMs: 30 * dayMs }),
    ]);
    const result = index.recall({ text: 'doctor' }, { limit: 10, explain: true });
    expect(partsIn(result, 'minutes').neighbours).toBeGreaterThan(50 * partsIn(result, 'days').neighbours);
  });

  test('a hit brings what shares a name or a tag with it', () => {
    const index = indexOf([
      remembered('hit', 'The violin lesson with Ottilie was moved', { whenMs: 0 }),
      remembered('name', 'Dinner at noon with Ottilie', { whenMs: 100 * dayMs }),
      remembered('tag', 'New strings arrived', { whenMs: 200 * dayMs, tags: ['music'] }),
      remembered('tagged', 'A second violin', { whenMs: 300 * dayMs, tags: ['music'] }),
      remembered('other', 'The roof leaks', { whenMs: 400 * dayMs }),
    ], { neighbourWeight: 0 });
    const result = index.recall({ text: 'violin' }, { limit: 10, explain: true });
    expect(idsOf(result).sort()).toEqual(['hit', 'name', 'tag', 'tagged']);
    expect(partsIn(result, 'name').associations).toBeGreaterThan(0);
    expect(partsIn(result, 'tag').lexical).toBe(0);
  });

  test('a tag on too many memories carries nothing', () => {
    const tagged = (count: number): string[] => ask(indexOf([
      remembered('hit', 'violin', { tags: ['log'] }),
      ...Array.from({ length: count - 1 }, (_, i) => remembered(`m${i}`, 'other', { tags: ['log'] })),
    ], { neighbourWeight: 0, associationFanMax: 5 }), 'violin');
    expect(tagged(5)).toHaveLength(5);
    expect(tagged(6)).toEqual(['hit']);
  });

  test('a hit does not activate itself', () => {
    const index = indexOf([remembered('hit', 'violin', { tags: ['music'] }), remembered('other', 'strings', { tags: ['music'], whenMs: 1 })]);
    const result = index.recall({ text: 'violin' }, { limit: 2, explain: true });
    expect([partsIn(result, 'hit').associations, partsIn(result, 'hit').neighbours]).toEqual([0, 0]);
  });

  test('however many hits share however many tags with a memory, it receives at most 1', () => {
    const tags = Array.from({ length: 8 }, (_, i) => `tag${i}`);
    const index = indexOf([
      ...Array.from({ length: 10 }, (_, i) => remembered(`hit${i}`, 'violin', { tags })),
      remembered('linked', 'strings', { tags }),
    ], { neighbourWeight: 0, associationWeight: 1, halfScore: 0.25 });
    const linked = index.recall({ text: 'violin' }, { limit: 20 }).hits.find((hit) => hit.id === 'linked');
    expect(linked!.score).toBe(1 / (1 + 0.25));
  });

  test('however many neighbours of a memory match, what arrives from them has a bound', () => {
    const neighbours = Array.from({ length: 20 }, (_, i) => remembered(`hit${i}`, 'violin', { whenMs: i }));
    const index = indexOf([...neighbours, remembered('between', 'strings', { whenMs: 9 })], {
      neighbourWeight: 1, neighbourReach: 20, neighbourDecay: 1, associationWeight: 0, halfScore: 0.25,
    });
    const between = index.recall({ text: 'violin' }, { limit: 30 }).hits.find((hit) => hit.id === 'between');
    expect(between!.score).toBe(neighboursMax / (neighboursMax + 0.25));
  });

  test('only the best matches pass activation on', () => {
    const index = indexOf([
      remembered('best', 'violin'), remembered('after-best', 'noon', { whenMs: 1 }),
      remembered('next', 'violin lesson at four', { whenMs: 100 * dayMs }), remembered('after-next', 'rain', { whenMs: 100 * dayMs + 1 }),
    ], { neighbourReach: 1, forwardBias: 1, seedsMax: 1 });
    expect(ask(index, 'violin').sort()).toEqual(['after-best', 'best', 'next']);
  });

  test('only so many of them pass it on over tags, and over so many tags each', () => {
    const memories = [
      remembered('best', 'violin', { tags: ['b-tag', 'a-tag'] }),
      remembered('next', 'violin lesson at four', { tags: ['c-tag'] }),
      remembered('b', 'noon', { tags: ['b-tag'] }), remembered('a', 'rain', { tags: ['a-tag'] }), remembered('c', 'snow', { tags: ['c-tag'] }),
    ];
    const tuning = { neighbourWeight: 0, associationSeedsMax: 1 };
    expect(ask(indexOf(memories, tuning), 'violin').sort()).toEqual(['a', 'b', 'best', 'next']);
    for (const list of [memories, memories.toReversed()]) {
      expect(ask(indexOf(list, { ...tuning, associationLinksMax: 1 }), 'violin').sort()).toEqual(['a', 'best', 'next']);
    }
  });

  test('tags of its own take no place from the tags a hit shares', () => {
    const own = Array.from({ length: 20 }, (_, i) => `own${i}`);
    const index = indexOf([remembered('hit', 'violin', { tags: [...own, 'shared'] }), remembered('other', 'rain', { tags: ['shared'] })], { neighbourWeight: 0 });
    expect(ask(index, 'violin')).toEqual(['hit', 'other']);
  });

  test('nothing is activated past the filter', () => {
    const index = indexOf([
      remembered('hit', 'the doctor called', { whenMs: 0, tags: ['health'] }),
      remembered('next', 'take two a day', { whenMs: 1_000 }),
    ]);
    expect(idsOf(index.recall({ text: 'doctor', tags: ['health'] }, { limit: 10 }))).toEqual(['hit']);
  });
});

describe('dates in the text of a cue', () => {
  test('bring forward what happened then, even without a word in common', () => {
    const index = indexOf([
      remembered('march', 'We had soup', { whenMs: at('2023-03-03T18:00:00Z') }),
      remembered('may', 'Fish for everybody', { whenMs: at('2023-05-03T18:00:00Z') }),
      remembered('word', 'dinner', { whenMs: at('2023-08-03T18:00:00Z') }),
    ], { ...direct, timeWeight: 0.1 });
    expect(ask(index, 'dinner on May 3, 2023').sort()).toEqual(['may', 'word']);
    expect(ask(index, 'What was on May 3?')).toEqual(['may']);
  });

  test('bring in so many by their time alone, the earliest first', () => {
    const start = at('2023-05-03T00:00:00Z');
    const index = indexOf(Array.from({ length: datedCandidatesMax + 50 }, (_, i) => remembered(`m${i}`, 'soup', { whenMs: start + i })), { ...direct, timeWeight: 0.1 });
    const found = idsOf(index.recall({ text: 'on 3 May 2023' }, { limit: 1_000 }));
    expect(new Set(found)).toEqual(new Set(Array.from({ length: datedCandidatesMax }, (_, i) => `m${i}`)));
  });
});

describe('filters', () => {
  const index = indexOf([
    remembered('m1', 'tea', { whenMs: 100, tags: ['work', 'home'] }),
    remembered('m2', 'tea', { whenMs: 200, tags: ['work'] }),
    remembered('m3', 'tea', { whenMs: 300, tags: ['home'] }),
  ]);

  test('every tag must be there, spelled the same', () => {
    expect(idsOf(index.recall({ text: 'tea', tags: ['work', 'home', 'work'] }, { limit: 10 }))).toEqual(['m1']);
    expect(idsOf(index.recall({ text: 'tea', tags: ['Work'] }, { limit: 10 }))).toEqual([]);
  });

  test('after is inclusive, before is exclusive', () => {
    expect(idsOf(index.recall({ text: 'tea', afterMs: 200, beforeMs: 300 }, { limit: 10 }))).toEqual(['m2']);
    expect(idsOf(index.recall({ afterMs: 200 }, { limit: 10 }))).toEqual(['m3', 'm2']);
    expect(idsOf(index.recall({ beforeMs: 200 }, { limit: 10 }))).toEqual(['m1']);
  });

  test('a cue that only filters brings the latest first', () => {
    expect(idsOf(index.recall({ tags: ['work'] }, { limit: 10 }))).toEqual(['m2', 'm1']);
    expect(idsOf(index.recall({ tags: ['home'], beforeMs: 300 }, { limit: 10 }))).toEqual(['m1']);
    expect(idsOf(index.recall({ afterMs: 0 }, { limit: 2 }))).toEqual(['m3', 'm2']);
  });

  test('memories of the same moment come in the order of confidence, then id', () => {
    const same = indexOf(['d', 'b', 'a', 'c'].map((id) => remembered(id, 'x', { whenMs: 5, confidence: id === 'c' ? 0.9 : 0.5 })));
    expect(idsOf(same.recall({ afterMs: 0 }, { limit: 3 }))).toEqual(['c', 'a', 'b']);
  });

  test('milliseconds are told apart over the years a date can write', () => {
    const late = at('9999-12-31T23:59:59.998Z');
    const index9999 = indexOf([remembered('a', 'x', { whenMs: late }), remembered('b', 'x', { whenMs: late + 1 })]);
    expect(idsOf(index9999.recall({ afterMs: 0 }, { limit: 2 }))).toEqual(['b', 'a']);
  });
});

describe('text without a searchable word', () => {
  const index = indexOf([
    remembered('pet', 'the cat sleeps', { tags: ['pets'], whenMs: 5, embedding: Float32Array.of(1, 0) }),
    remembered('other', 'rain', { whenMs: 50, embedding: Float32Array.of(0, 1) }),
  ]);

  test.each(['', '  ', '?!', 'the of', 'who are you?'])('(%j) counts as absent beside other parts', (text) => {
    for (const others of [{ tags: ['pets'] }, { beforeMs: 50 }, { embedding: Float32Array.of(1, 0) }]) {
      expect(index.recall({ ...others, text }, { limit: 5, explain: true })).toEqual(index.recall(others, { limit: 5, explain: true }));
    }
  });

  test('finds nothing alone, and a blank one is refused', () => {
    expect(ask(index, 'the of')).toEqual([]);
    expect(ask(index, '?!')).toEqual([]);
    expect(() => ask(index, ' ')).toThrow(expect.objectContaining({ code: 'invalid_argument' }));
  });
});

describe('confidence', () => {
  test('rests on the own match: what only stands beside a hit in time, or shares its tag, is far less sure', () => {
    const index = indexOf(['Standup is at ten', 'My sister likes tulips', 'The printer needs toner'].map((content, i) =>
      remembered(`m${i}`, content, { whenMs: i * 2_000, tags: ['note'] })));
    const { hits: [hit, ...rest], confidence } = index.recall({ text: 'when is standup' }, { limit: 5 });
    expect([hit!.id, hit!.confidence]).toEqual(['m0', confidence]);
    expect(rest).toHaveLength(2);
    for (const reached of rest) {
      expect(reached.score).toBeGreaterThan(hit!.score / 2);
      expect(reached.confidence).toBeLessThan(hit!.confidence / 3);
    }
    expect(idsOf(index.recall({ text: 'when is standup' }, { limit: 5, minConfidence: 0.3 }))).toEqual(['m0']);
  });

  test('follows its formula: activation counts by its share, a named date fully', () => {
    const index = indexOf([
      remembered('hit', 'soup', { whenMs: at('2023-05-03T18:00:00Z'), confidence: 0.5 }),
      remembered('reached', 'fish', { whenMs: at('2023-05-03T18:00:00Z') }),
      remembered('dated', 'bread', { whenMs: at('2023-05-03T08:00:00Z') }),
    ], { halfScore: 0.25, reachedShare: 0.1, neighbourReach: 1, questionShare: 1 });
    const result = index.recall({ text: 'soup on May 3, 2023' }, { limit: 3, explain: true });
    for (const { id, score, confidence, parts } of result.hits) {
      const total = (0.25 * score) / (1 - score);
      const { lexical, vector, time, neighbours, associations } = parts!;
      const sure = (total * (lexical + vector + time + 0.1 * (neighbours + associations))) / score;
      expect(confidence).toBeCloseTo(((id === 'hit' ? 0.5 : 1) * sure) / (sure + 0.25), 12);
    }
    expect(result.hits).toHaveLength(3);
  });

  test('of a direct match alone is what the writer claimed times how well it matched', () => {
    const index = indexOf([remembered('sure', 'tea', { confidence: 0.8 })]);
    const { hits: [hit], confidence } = index.recall({ text: 'tea' }, { limit: 1 });
    expect(hit!.confidence).toBe(0.8 * hit!.score);
    expect(confidence).toBe(hit!.confidence);
  });

  test('of a cue that only filters is what the writer claimed', () => {
    const index = indexOf([remembered('m1', 'tea', { confidence: 0.8 }), remembered('m2', 'tea', { confidence: 0.6, whenMs: 9 })]);
    const { hits, confidence } = index.recall({ beforeMs: 10 }, { limit: 2 });
    expect(hits.map((hit) => hit.confidence)).toEqual([0.6, 0.8]);
    expect(confidence).toBe(0.8);
  });

  test('of nothing is nothing', () => {
    expect(indexOf([]).recall({ text: 'tea' }, { limit: 1 })).toEqual({ hits: [], confidence: 0 });
  });

  test('below the least asked for is left out, and makes room for the next', () => {
    const index = indexOf([
      remembered('doubtful', 'tea', { confidence: 0.1 }),
      remembered('sure', 'tea and a great many other things besides', { confidence: 1 }),
    ], direct);
    expect(idsOf(index.recall({ text: 'tea' }, { limit: 1 }))).toEqual(['doubtful']);
    expect(idsOf(index.recall({ text: 'tea' }, { limit: 1, minConfidence: 0.2 }))).toEqual(['sure']);
    expect(idsOf(index.recall({ beforeMs: 1 }, { limit: 2, minConfidence: 0.2 }))).toEqual(['sure']);
  });
});

describe('explanations', () => {
  test('are given only when asked for', () => {
    const index = indexOf([remembered('m1', 'tea')]);
    expect(index.recall({ text: 'tea' }, { limit: 1 }).hits[0]).not.toHaveProperty('parts');
    expect(index.recall({ text: 'tea' }, { limit: 1, explain: true }).hits[0]).toHaveProperty('parts');
  });
});

describe('a cue that breaks a rule', () => {
  test('is refused, and leaves the index answering as before', () => {
    const index = indexOf([remembered('m1', 'tea')]);
    const before = index.recall({ text: 'tea' }, { limit: 1 });
    expect(() => index.recall({}, { limit: 1 })).toThrow(EngramError);
    expect(() => index.recall({ text: 'tea' }, { limit: 0 })).toThrow(EngramError);
    expect(index.recall({ text: 'tea' }, { limit: 1 })).toEqual(before);
  });
});
