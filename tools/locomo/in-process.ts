import { parseMemoryId, parseSpaceId } from '@engram/kernel';
import { SpaceIndex, type RecallTuning } from '@engram/memory/core';
import type { Conversation } from './dataset.js';
import { cutOff, type Search } from './measure.js';

/** Recall by the index itself, without a server: for tuning, and to switch parts off one at a time. */
export function searchInProcess(tuning: RecallTuning = {}, { withTags = true }: { withTags?: boolean } = {}): Search {
  const indexes = new Map<string, SpaceIndex>();
  return (conversation, question) => {
    let index = indexes.get(conversation.name);
    if (index === undefined) indexes.set(conversation.name, (index = indexOf(conversation, tuning, withTags)));
    return index.recall({ text: question.text }, { limit: cutOff }).hits.map((hit) => hit.id);
  };
}

function indexOf(conversation: Conversation, tuning: RecallTuning, withTags: boolean): SpaceIndex {
  const index = new SpaceIndex(tuning);
  const space = parseSpaceId(`locomo-${conversation.name}`);
  for (const { id, content, tags, whenMs } of conversation.turns) {
    index.add({ id: parseMemoryId(id), space, content, tags: withTags ? tags : [], confidence: 0.7, whenMs, storedAtMs: whenMs });
  }
  return index;
}

/** Each step switches one more part on, so the difference between two lines is what the part brings. */
export const ablation: readonly { readonly name: string; readonly tuning: RecallTuning; readonly withTags?: boolean }[] = (() => {
  const off = { neighbourWeight: 0, associationWeight: 0, timeWeight: 0, questionShare: 1 };
  const { neighbourWeight: _n, ...neighbours } = off;
  const { associationWeight: _a, ...associations } = neighbours;
  const { timeWeight: _t, ...time } = associations;
  return [
    { name: 'English analysis, textbook k1 and b', tuning: { ...off, k1: 1.2, b: 0.75 }, withTags: false },
    { name: '+ k1 and b for short texts', tuning: off, withTags: false },
    { name: '+ words of tags', tuning: off },
    { name: '+ neighbours in time', tuning: neighbours },
    { name: '+ shared tags and names', tuning: associations },
    { name: '+ dates named by the question', tuning: time },
    { name: '+ questions told from statements (all)', tuning: {} },
  ];
})();
