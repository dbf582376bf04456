import type { Instant } from '@engram/kernel';
import { checkMap, type MapContent } from '@engram/placement/core';
import { describe, expect, test } from 'vitest';
import { mapOf, node, placed, voter } from '../../test/maps.js';
import { VerbQueue } from './verb-queue.js';
import { isRemoved, judge, promotionRefusal, withoutDecommissioned, type MapVerb, type VerbAnswer } from './verbs.js';

const abc = placed('a', ['b', 'c']);
const four = mapOf(['a', 'b', 'c', 'd'], [abc]);
const three = mapOf(['a', 'b', 'c'], [abc]);
const inState = (map: typeof four, name: string, state: 'draining' | 'decommissioning') => ({ ...map, roster: map.roster.map((each) => (each.id === name ? { ...each, state } : each)) });
const stateIn = (content: MapContent, name: string): string | undefined => content.roster.find(({ id }) => id === name)?.state;

describe('a verb', () => {
  test.each([
    ['drain', { kind: 'drain', node: node('b') }, 'draining'],
    ['decommission', { kind: 'decommission', node: node('b'), force: false }, 'decommissioning'],
  ] as const)('%s changes the state of that node and nothing else', (_, verb, state) => {
    const judged = judge(four, verb);
    expect(judged.kind).toBe('change');
    const { content } = judged as { content: MapContent };
    checkMap(content);
    expect(stateIn(content, 'b')).toBe(state);
    expect({ ...content, roster: [] }).toEqual({ clusterId: four.clusterId, policies: four.policies, table: four.table, roster: [] });
    expect(judge({ ...four, ...content }, verb)).toEqual({ kind: 'so' });
  });

  test.each<[string, MapVerb, typeof four, string, RegExp, RegExp]>([
    ['drain of nobody', { kind: 'drain', node: node('x') }, four, 'node_not_found', /no node "x"/, /lists those it has/],
    ['undrain of nobody', { kind: 'undrain', node: node('x') }, four, 'node_not_found', /no node "x"/, /lists/],
    ['decommission of nobody', { kind: 'decommission', node: node('x'), force: true }, four, 'node_not_found', /no node "x"/, /lists/],
    ['drain of the last active one', { kind: 'drain', node: node('a') }, inState(inState(three, 'b', 'draining'), 'c', 'decommissioning'), 'precondition_failed', /"a" is the last one/, /Undrain another/],
    ['drain of one that goes', { kind: 'drain', node: node('b') }, inState(four, 'b', 'decommissioning'), 'precondition_failed', /is being decommissioned/, /undrain it first/],
    ['decommission below the copies', { kind: 'decommission', node: node('c'), force: false }, three, 'precondition_failed', /2 nodes for 3 copies of everything \(factor 2\)/, /Add 1 more, or lower the factor to 1 \(then no node may be away\), or send force=true to live with 2 copies/],
    ['decommission of the last one, even forced', { kind: 'decommission', node: node('a'), force: true }, mapOf(['a'], [placed('a', [])]), 'precondition_failed', /nothing would be left/, /Add a node/],
    ['undrain of one that is gone', { kind: 'undrain', node: node('x') }, { ...four, removed: [{ id: node('x'), storageId: 'x-disk' }] }, 'precondition_failed', /has left the roster already/, /empty data directory/],
    ['a factor beyond the copies there can be', { kind: 'set-policies', policies: { factor: 6 } }, four, 'invalid_argument', /0 to 5 replicas/, /whole number/],
    ['a broken factor', { kind: 'set-policies', policies: { factor: 1.5 } }, four, 'invalid_argument', /not 1.5/, /whole number/],
  ])('%s is refused, with what is missing', (_, verb, map, code, message, hint) => {
    expect(judge(map, verb)).toEqual({ kind: 'refused', code, message: expect.stringMatching(message) as string, hint: expect.stringMatching(hint) as string });
  });

  test('force decommissions below the wanted copies, and one that is gone is gone', () => {
    expect(judge(three, { kind: 'decommission', node: node('c'), force: true }).kind).toBe('change');
    expect(judge({ ...four, removed: [{ id: node('x'), storageId: 'x-disk' }] }, { kind: 'decommission', node: node('x'), force: false })).toEqual({ kind: 'so' });
  });

  test('undrain takes either back', () => {
    for (const state of ['draining', 'decommissioning'] as const) {
      const judged = judge(inState(four, 'b', state), { kind: 'undrain', node: node('b') }) as { content: MapContent };
      expect(stateIn(judged.content, 'b')).toBe('active');
    }
    expect(judge(four, { kind: 'undrain', node: node('b') })).toEqual({ kind: 'so' });
  });

  test('pausing and resuming leave no trace behind', () => {
    const paused = judge(four, { kind: 'pause-moves' }) as { content: MapContent };
    expect(paused.content.movesPaused).toBe(true);
    const resumed = judge({ ...four, ...paused.content }, { kind: 'resume-moves' }) as { content: MapContent };
    expect('movesPaused' in resumed.content).toBe(false);
    expect([judge(four, { kind: 'resume-moves' }), judge({ ...four, movesPaused: true }, { kind: 'pause-moves' })]).toEqual([{ kind: 'so' }, { kind: 'so' }]);
  });

  test('policies change only where they differ', () => {
    expect(judge(four, { kind: 'set-policies', policies: { factor: 2, ack: 'quorum' } })).toEqual({ kind: 'so' });
    expect(judge(four, { kind: 'set-policies', policies: { ack: 'all' } })).toMatchObject({ kind: 'change', content: { policies: { factor: 2, ack: 'all', partition: 'majority' } } });
  });
});

describe('promoting by hand', () => {
  const everybody = (): boolean => true;

  test('is refused when the primary is not there to hand over, with what happens by itself', () => {
    expect(promotionRefusal(three, 0, node('b'), (id) => id !== 'a')).toMatchObject({ code: 'precondition_failed', message: expect.stringContaining('not there to hand over') as string, hint: expect.stringContaining('by itself') as string });
    expect(promotionRefusal(three, 0, undefined, (id) => id === 'a')).toMatchObject({ code: 'precondition_failed', message: expect.stringContaining('no replica of partition 0 is alive') as string });
  });

  test('of a copy that is there may be tried, and so may that of whoever is furthest', () => {
    expect([promotionRefusal(three, 0, node('c'), everybody), promotionRefusal(three, 0, undefined, everybody), promotionRefusal(three, 0, node('a'), everybody)]).toEqual([undefined, undefined, undefined]);
  });
});

describe('the roster lets a decommissioned node go', () => {
  const leaving = inState({ ...four, voters: [voter('a'), voter('b'), voter('c')] }, 'd', 'decommissioning');

  test('once it holds nothing, is to hold nothing and does not vote; its disk is remembered', () => {
    const content = withoutDecommissioned(leaving, () => true);
    expect(content?.roster.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    expect(content?.removed).toEqual([{ id: 'd', storageId: 'd-disk' }]);
    expect([isRemoved({ ...leaving, ...content }, node('d'), 'd-disk'), isRemoved({ ...leaving, ...content }, node('d'), 'another')]).toEqual([true, false]);
  });

  test('and not before', () => {
    expect(withoutDecommissioned(four, () => true)).toBeUndefined();
    expect(withoutDecommissioned({ ...leaving, voters: [voter('d')] }, () => true)).toBeUndefined();
    expect(withoutDecommissioned({ ...leaving, table: [placed('a', ['d'])] }, () => true)).toBeUndefined();
    expect(withoutDecommissioned({ ...leaving, table: [placed('a', [], { moving: { from: undefined, to: node('d') } })] }, () => true)).toBeUndefined();
  });

  test('of those removed the latest 256 are remembered', () => {
    const removed = Array.from({ length: 256 }, (_, at) => ({ id: node(`old-${at}`), storageId: `disk-${at}` }));
    const content = withoutDecommissioned({ ...leaving, removed }, () => true);
    expect(content?.removed).toHaveLength(256);
    expect(content?.removed?.at(-1)?.id).toBe('d');
    checkMap(content!);
  });
});

describe('the queue of verbs', () => {
  const at = (ms: number): Instant => (ms * 1_000) as Instant;
  const queue = (): { readonly verbs: VerbQueue; readonly answers: [number, VerbAnswer][] } => {
    const answers: [number, VerbAnswer][] = [];
    return { verbs: new VerbQueue((request, answer) => answers.push([request, answer])), answers };
  };
  const drainB: MapVerb = { kind: 'drain', node: node('b') };

  test('wants one change at a time, tried again on a map that somebody else has changed, until the map says so', () => {
    const { verbs, answers } = queue();
    verbs.ask(1, drainB, at(0));
    verbs.ask(2, { kind: 'drain', node: node('c') }, at(0));
    const first = verbs.next(four)!;
    verbs.settled({ kind: 'refused', refusal: { kind: 'version-mismatch' } as never });
    const policies = { ...four.policies, factor: 1 };
    expect(verbs.next({ ...four, policies })).toEqual({ ...first, policies });
    verbs.settled({ kind: 'completed', state: undefined as never });
    const second = verbs.next({ ...four, ...first })!;
    expect([answers, stateIn(second, 'c')]).toEqual([[[1, { kind: 'done', changed: true }]], 'draining']);
  });

  test('says that nothing was changed when somebody else was faster', () => {
    const { verbs, answers } = queue();
    verbs.ask(1, drainB, at(0));
    verbs.next(four);
    verbs.settled({ kind: 'refused', refusal: { kind: 'version-mismatch' } as never });
    expect(verbs.next(inState(four, 'b', 'draining'))).toBeUndefined();
    expect(answers).toEqual([[1, { kind: 'done', changed: false }]]);
  });

  test('answers after ten seconds without a majority, and says whether it may still happen', () => {
    const { verbs, answers } = queue();
    verbs.ask(1, drainB, at(0));
    verbs.ask(2, drainB, at(0));
    verbs.next(four);
    verbs.settled({ kind: 'refused', refusal: { kind: 'indeterminate' } as never });
    verbs.expire(at(9_999));
    expect(answers).toEqual([]);
    verbs.expire(at(10_000));
    expect(answers.map(([request, answer]) => [request, answer.kind === 'refused' && answer.message])).toEqual([
      [1, expect.stringContaining('it may still be carried out') as string],
      [2, expect.stringContaining('nothing was changed') as string],
    ]);
    expect(verbs.held).toBe(0);
  });

  test('answers all that wait when the node goes', () => {
    const { verbs, answers } = queue();
    verbs.ask(1, drainB, at(0));
    verbs.ask(2, drainB, at(0));
    verbs.abandon();
    expect(answers.map(([request, answer]) => [request, answer.kind === 'refused' && answer.code])).toEqual([[1, 'unavailable'], [2, 'unavailable']]);
    expect(verbs.held).toBe(0);
  });

  test('holds sixteen and refuses more', () => {
    const { verbs, answers } = queue();
    for (let request = 0; request < 17; request++) verbs.ask(request, drainB, at(0));
    expect(answers).toEqual([[16, expect.objectContaining({ kind: 'refused', code: 'overloaded' }) as VerbAnswer]]);
    expect(verbs.held).toBe(16);
  });
});
