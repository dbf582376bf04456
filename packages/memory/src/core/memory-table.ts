import { assert, EngramError, type MemoryId } from '@engram/kernel';
import { analysisLimits, readText } from './analysis.js';
import { grown, rowsAtFirst } from './growable.js';
import type { Memory } from './memory.js';
import { ordinalsMax, packPosting, Postings } from './postings.js';
import { offsetOf, sliceClassFor, Slices } from './slices.js';
import { TermCounts } from './term-counts.js';
import { Timeline } from './timeline.js';
import { Vectors } from './vectors.js';
import { Vocabulary } from './vocabulary.js';

/**
 * What recall knows of the memories of one space, by column. A memory is an ordinal here: a small number that stands for
 * it while it is held and goes to another afterwards. Ordinals never decide anything a caller can see.
 */
export class MemoryTable {
  readonly vocabulary = new Vocabulary();
  readonly timeline = new Timeline((a, b) => this.#inTime(a, b));
  readonly vectors = new Vectors();
  readonly #slices = new Slices();
  readonly postings = new Postings(this.#slices);

  readonly #ordinals = new Map<MemoryId, number>();
  readonly #ids: MemoryId[] = [];
  readonly #freeOrdinals: number[] = [];
  #whenMs = new Float64Array(rowsAtFirst);
  #confidence = new Float64Array(rowsAtFirst);
  /** How many words the content has, repetitions included: its length to BM25. */
  #wordCount = new Uint32Array(rowsAtFirst);
  #asks = new Uint8Array(rowsAtFirst);
  /** Address of the memory's list of distinct terms: their number, then the terms. Needed to take it out again. */
  #terms = new Uint32Array(rowsAtFirst);
  #wordTotal = 0;

  get size(): number {
    return this.#ordinals.size;
  }

  /** One more than the largest ordinal ever in use: how long an array over ordinals must be. */
  get ordinalsEnd(): number {
    return this.#ids.length;
  }

  /** Mean number of words per memory, from exact totals. */
  get wordCountMean(): number {
    return this.size === 0 ? 0 : this.#wordTotal / this.size;
  }

  has(id: MemoryId): boolean {
    return this.#ordinals.has(id);
  }

  id(ordinal: number): MemoryId {
    return this.#ids[ordinal]!;
  }

  whenMs(ordinal: number): number {
    return this.#whenMs[ordinal]!;
  }

  confidence(ordinal: number): number {
    return this.#confidence[ordinal]!;
  }

  wordCount(ordinal: number): number {
    return this.#wordCount[ordinal]!;
  }

  asks(ordinal: number): boolean {
    return this.#asks[ordinal] === 1;
  }

  /** Throws `embedding_dimension_mismatch` or `capacity_exhausted`; the table is unchanged then. */
  add(memory: Memory): void {
    if (memory.embedding !== undefined) this.vectors.checkDimension(memory.embedding);
    const ordinal = this.#takeOrdinal();
    const { size } = this;
    this.#ordinals.set(memory.id, ordinal);
    // Asked this way round, because looking an id up among hundreds of thousands costs as much as indexing some words.
    assert(this.size > size, 'a memory is added to an index once', { id: memory.id });
    this.#ids[ordinal] = memory.id;
    this.#whenMs[ordinal] = memory.whenMs;
    this.#confidence[ordinal] = memory.confidence;
    this.#index(ordinal, memory);
    this.timeline.insert(ordinal);
    if (memory.embedding !== undefined) this.vectors.add(ordinal, memory.embedding);
  }

  remove(id: MemoryId): boolean {
    const ordinal = this.#ordinals.get(id);
    if (ordinal === undefined) return false;
    this.timeline.remove(ordinal);
    this.vectors.remove(ordinal);
    this.eachTerm(ordinal, (term) => {
      this.postings.remove(term, ordinal);
      if (this.postings.count(term) === 0) this.vocabulary.release(term);
    });
    const terms = this.#terms[ordinal]!;
    this.#slices.free(terms, sliceClassFor(1 + this.#slices.pageOf(terms)[offsetOf(terms)]!));
    this.#wordTotal -= this.#wordCount[ordinal]!;
    this.#ordinals.delete(id);
    this.#freeOrdinals.push(ordinal);
    return true;
  }

  /** The distinct words, names and tags of a memory, in no particular order. */
  eachTerm(ordinal: number, visit: (term: number) => void): void {
    const address = this.#terms[ordinal]!;
    const words = this.#slices.pageOf(address);
    const first = offsetOf(address) + 1;
    const count = words[first - 1]!;
    for (let i = first; i < first + count; i++) visit(words[i]!);
  }

  /** Roughly what the columns take, without strings and maps. */
  get bytes(): number {
    const columns = [this.#whenMs, this.#confidence, this.#wordCount, this.#asks, this.#terms];
    return columns.reduce((sum, column) => sum + column.byteLength, 0)
      + this.#slices.bytes + this.postings.bytes + this.vectors.bytes + this.timeline.bytes;
  }

  /**
   * The distinct terms of a memory with their counts: the words of its content, the names among them, its tags. The
   * words of tags are searchable too, but once said in the content they add nothing, and numbers in tags are labels.
   */
  #index(ordinal: number, memory: Memory): void {
    const { vocabulary, postings } = this;
    let words = 0;
    let names = 0;
    const asks = readText(memory.content, (word, isName) => {
      words++;
      termCounts.add(vocabulary.numberOfWord(word));
      if (isName && names < analysisLimits.namesMax && termCounts.addOnce(vocabulary.number('name', word.term))) names++;
    });
    for (const tag of memory.tags) {
      termCounts.addOnce(vocabulary.number('tag', tag));
      readText(tag, (word) => {
        if (!onlyDigits.test(word.term)) termCounts.addOnce(vocabulary.numberOfWord(word));
      });
    }

    const { size } = termCounts;
    const address = this.#slices.allocate(sliceClassFor(1 + size));
    const list = this.#slices.pageOf(address);
    let next = offsetOf(address);
    list[next++] = size;
    termCounts.drain((term, count) => {
      list[next++] = term;
      postings.append(term, packPosting(ordinal, count));
    });
    this.#terms[ordinal] = address;
    this.#wordCount[ordinal] = words;
    this.#wordTotal += words;
    this.#asks[ordinal] = asks ? 1 : 0;
  }

  #takeOrdinal(): number {
    const reused = this.#freeOrdinals.pop();
    if (reused !== undefined) return reused;
    const ordinal = this.#ids.length;
    if (ordinal >= ordinalsMax) {
      throw new EngramError('capacity_exhausted', `a space holds at most ${ordinalsMax} memories`, {
        hint: 'Begin another space, or forget memories that are no longer needed.',
      });
    }
    this.#whenMs = grown(this.#whenMs, ordinal + 1);
    this.#confidence = grown(this.#confidence, ordinal + 1);
    this.#wordCount = grown(this.#wordCount, ordinal + 1);
    this.#asks = grown(this.#asks, ordinal + 1);
    this.#terms = grown(this.#terms, ordinal + 1);
    return ordinal;
  }

  #inTime(a: number, b: number): number {
    const difference = this.#whenMs[a]! - this.#whenMs[b]!;
    if (difference !== 0) return difference;
    const idA = this.#ids[a]!;
    const idB = this.#ids[b]!;
    return idA < idB ? -1 : idA > idB ? 1 : 0;
  }
}

const onlyDigits = /^\p{N}+$/u;

/** Of the memory being indexed; one for all tables, since only one memory is indexed at a time. */
const termCounts = new TermCounts();
