/**
 * Made-up memories that are like English in what matters to an index: function words make up about half of a text,
 * the frequency of the other words follows Zipf's law with a long tail, words take endings, names begin with a capital,
 * and a few tags are shared by many memories. The same seed makes the same memories.
 */
import { Random } from '@engram/kernel';

/** A memory as a client sends it. */
export interface CorpusMemory {
  readonly content: string;
  readonly tags: readonly string[];
  /** RFC 3339. */
  readonly when: string;
}

export interface CorpusCue {
  readonly text: string;
  /** Index of the memory it asks for. */
  readonly memory: number;
}

/** Memories to store and cues to recall them by. */
export interface Corpus {
  memory(index: number): CorpusMemory;
  cue(index: number): CorpusCue;
}

const functionWords =
  'the to and a of i in that it is you was for my on with have this we at be so had but they me she he her as are not his from or an what were just about when up out if there all can will do who how got then some been'.split(' ');
const questionWords = 'what when where who how which why did does is was'.split(' ');
const endings = ['', '', '', 's', 'ed', 'ing', 'er', 'ly'];
const onsets = 'b br c ch cl d dr f fl g gr h j k l m n p pl qu r s sh sl st str t tr v w'.split(' ');
const nuclei = 'a e i o u ai ea oo ou'.split(' ');
const codas = 'b ck d g l m n nd ng nt p r rk s st t x'.split(' ');

const STEMS = 12_000;
const NAMES = 400;
const TAGS = 300;
/** Of natural English, by rank of words, content words alone. */
const ZIPF_EXPONENT = 1.0;
const FIRST_MS = Date.UTC(2023, 0, 1);
const STEP_MS = 7 * 60_000;

/** `size` memories; every index below it can be asked for, in any order. */
export function createCorpus(size: number, seed: string): Corpus {
  const random = Random.fromSeed(seed);
  const stems = distinct(STEMS, random.fork('stems'), (draw) => syllable(draw) + (draw.chance(0.7) ? syllable(draw) : ''));
  const names = distinct(NAMES, random.fork('names'), (draw) => capitalised(syllable(draw) + syllable(draw)));
  const drawStem = zipf(STEMS, ZIPF_EXPONENT);
  const drawName = zipf(NAMES, ZIPF_EXPONENT);
  const drawTag = zipf(TAGS, ZIPF_EXPONENT);
  const drawFunctionWord = zipf(functionWords.length, ZIPF_EXPONENT);

  const contentWord = (draw: Random): string => {
    if (draw.chance(0.08)) return names[drawName(draw)]!;
    return stems[drawStem(draw)]! + draw.pick(endings);
  };
  const words = (draw: Random): string[] =>
    Array.from({ length: 20 + draw.below(21) }, () => (draw.chance(0.5) ? functionWords[drawFunctionWord(draw)]! : contentWord(draw)));

  const textOf = (index: number): string[] => words(random.fork(`memory-${index}`));

  return {
    memory(index) {
      const draw = random.fork(`tags-${index}`);
      return {
        content: `${capitalised(textOf(index).join(' '))}.`,
        tags: [...new Set(Array.from({ length: draw.below(4) }, () => `topic-${drawTag(draw)}`))],
        when: new Date(FIRST_MS + index * STEP_MS).toISOString(),
      };
    },
    cue(index) {
      const draw = random.fork(`cue-${index}`);
      const memory = draw.below(size);
      const asked = draw.shuffle(textOf(memory).filter((word) => !functionWords.includes(word))).slice(0, 2 + draw.below(4));
      const joints = Array.from({ length: draw.below(3) }, () => functionWords[drawFunctionWord(draw)]!);
      return { text: `${capitalised([draw.pick(questionWords), ...draw.shuffle([...joints, ...asked])].join(' '))}?`, memory };
    },
  };
}

/** Draws a rank from 0 with a probability proportional to (rank + 1)^-exponent. */
export function zipf(ranks: number, exponent: number): (draw: Random) => number {
  const cumulative = new Float64Array(ranks);
  let sum = 0;
  for (let rank = 0; rank < ranks; rank += 1) cumulative[rank] = sum += (rank + 1) ** -exponent;
  return (draw) => {
    const wanted = draw.float() * sum;
    let low = 0;
    let high = ranks - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (cumulative[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

function distinct(count: number, draw: Random, make: (draw: Random) => string): string[] {
  const made = new Set<string>();
  while (made.size < count) made.add(make(draw));
  return [...made];
}

function syllable(draw: Random): string {
  return draw.pick(onsets) + draw.pick(nuclei) + (draw.chance(0.6) ? draw.pick(codas) : '');
}

function capitalised(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
