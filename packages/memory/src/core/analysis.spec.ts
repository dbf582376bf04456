import { describe, expect, test } from 'vitest';
import { analyse, analysisLimits, isQuestion, ownCopy } from './analysis.js';
import { wordsRememberedMax } from './words.js';

const termsOf = (text: string): readonly string[] => analyse(text).terms;

describe('analysis of words', () => {
  test('case, accents and endings do not tell words apart', () => {
    expect(termsOf('Painted CAFÉ paintings')).toEqual(termsOf('painting cafe painted'));
  });

  test('function words and fillers are left out', () => {
    expect(termsOf("Hey, what's up? I don't know, it's the one we've been to")).toEqual(termsOf('know one'));
  });

  test('possessives and contractions leave the word', () => {
    expect(termsOf("Anna's Anna\u2019s Anna")).toEqual(['anna', 'anna', 'anna']);
  });

  test('irregular forms meet their base', () => {
    expect(termsOf('children bought mice')).toEqual(termsOf('child buy mouse'));
  });

  test('numbers are kept', () => {
    expect(termsOf('room 101 in 2023')).toEqual(['room', '101', '2023']);
  });

  test('words that objects inherit are words like any other', () => {
    expect(termsOf('constructor __proto__ toString')).toHaveLength(3);
  });

  test('an empty text and punctuation have no words', () => {
    expect(termsOf('')).toEqual([]);
    expect(termsOf('… ?! → €')).toEqual([]);
  });
});

describe('analysis of pictographs', () => {
  test('each is a word, with spaces or without', () => {
    expect(termsOf('I love 🍕🍕 and ☕')).toEqual(['love', '🍕', '🍕', '☕']);
  });

  test('neither its colour, nor the colour of a skin, nor a way of drawing it makes it another', () => {
    expect(termsOf('❤️ 👍🏽')).toEqual(termsOf('❤ 👍'));
  });

  test('one that is joined of several is found by each of them', () => {
    expect(termsOf('👩‍🚀')).toEqual(['👩', '🚀']);
  });

  test('a flag is one word, and a number on a key is the number', () => {
    expect(termsOf('🇳🇴🇮🇹')).toEqual(['🇳🇴', '🇮🇹']);
    expect(termsOf('1️⃣')).toEqual(['1']);
  });

  test('a pictograph beside a word belongs to neither the word nor the names', () => {
    expect(analyse('went to Rome🇮🇹')).toMatchObject({ terms: ['went', 'rome', '🇮🇹'].map((term) => termsOf(term)[0]), names: ['rome'] });
  });
});

describe('analysis of other languages', () => {
  test('letters that some keyboards lack meet the letters written for them', () => {
    expect(termsOf('Straße STRAẞE')).toEqual(termsOf('strasse strasse'));
    expect(termsOf('Łódź Tromsø Œuvre Ærø Þór Đurđa Diyarbakır')).toEqual(termsOf('lodz tromso oeuvre aero thor durda diyarbakir'));
    expect(termsOf('ΟΔΟΣ')).toEqual(termsOf('οδός'));
  });

  test('a name stays a name when its first letter is written out', () => {
    expect(analyse('we met Øystein').names).toEqual(termsOf('oystein'));
  });

  test('words of other alphabets pass through in lower case', () => {
    expect(termsOf('Москва Αθήνα हिन्दी')).toEqual(['москва', 'αθηνα', 'हिन्दी']);
  });

  test('Chinese and Japanese become pairs of neighbouring characters', () => {
    expect(termsOf('京都大学')).toEqual(['京都', '都大', '大学']);
    expect(termsOf('茶')).toEqual(['茶']);
  });

  test('a character beyond the basic plane stays whole', () => {
    expect(termsOf('𠮷野家')).toEqual(['𠮷野', '野家']);
  });
});

describe('names', () => {
  test('a capital inside a sentence makes a name, at its start it does not', () => {
    expect(analyse('Yesterday Anna met Émile in New York. Later, Bob came.').names).toEqual(['anna', 'emil', 'new', 'york', 'bob']);
    expect(analyse('Bread is baked. Tea is brewed: Slowly.').names).toEqual([]);
  });

  test('a capital alone does not make a stop word a name', () => {
    expect(analyse('then I went').names).toEqual([]);
  });
});

describe('questions', () => {
  test('a text asks when it ends in a question mark', () => {
    expect(analyse('Fine, and you?').asks).toBe(true);
    expect(analyse('She asked "why?"').asks).toBe(true);
    expect(analyse('Why? Because I can.').asks).toBe(false);
  });

  test('a cue also asks when it begins like a question', () => {
    expect(isQuestion('when did the ferry leave')).toBe(true);
    expect(isQuestion('ferry timetable')).toBe(false);
  });
});

describe('bounds of analysis', () => {
  test('reading stops at the most terms', () => {
    expect(termsOf('alpha '.repeat(analysisLimits.termsMax + 5))).toHaveLength(analysisLimits.termsMax);
    expect(termsOf('茶'.repeat(analysisLimits.termsMax + 5))).toHaveLength(analysisLimits.termsMax);
  });

  test('names stop at the most names', () => {
    const names = Array.from({ length: analysisLimits.namesMax + 5 }, (_, i) => `met Xa${i},`).join(' ');
    expect(analyse(names).names).toHaveLength(analysisLimits.namesMax);
  });

  test('a long word is cut, and its cut form is found by the same word', () => {
    const [term] = termsOf('z'.repeat(10_000));
    expect(term).toHaveLength(analysisLimits.wordCharactersMax);
    expect(termsOf('z'.repeat(10_001))).toEqual([term]);
  });

  test('more words than can be remembered change nothing', () => {
    const before = termsOf('remembering');
    for (let i = 0; i < wordsRememberedMax + 10; i += 5_000) {
      termsOf(Array.from({ length: 5_000 }, (_, j) => `q${i + j}`).join(' '));
    }
    expect(termsOf('remembering')).toEqual(before);
  });

  test('an own copy reads the same', () => {
    expect(ownCopy('an astonishing word')).toBe('an astonishing word');
  });
});
