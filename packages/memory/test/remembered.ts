import { parseMemoryId, parseSpaceId } from '@engram/kernel';
import { SpaceIndex, type Memory, type RecallTuning } from '../src/core/index.js';

export const someSpace = parseSpaceId('some-space');

/** A memory that passes every check; tests name only the fields they are about. */
export function remembered(id: string, content: string, fields: Partial<Omit<Memory, 'id' | 'content'>> = {}): Memory {
  return { id: parseMemoryId(id), space: someSpace, content, tags: [], confidence: 1, whenMs: 0, storedAtMs: 0, ...fields };
}

export function indexOf(memories: readonly Memory[], tuning: RecallTuning = {}): SpaceIndex {
  const index = new SpaceIndex(tuning);
  for (const memory of memories) index.add(memory);
  return index;
}
