import { describe, expect, test } from 'vitest';
import { checkState, type Outcome, type StoreAttempt } from './check.js';

function attempt(token: string, outcome: Outcome, forgotten?: Outcome): StoreAttempt {
  return { token, content: `content of ${token}`, id: `id-${token}`, outcome, forgotten };
}

const held = (token: string): { id: string; content: string } => ({ id: `id-${token}`, content: `content of ${token}` });

describe('the durability checker', () => {
  test('finds nothing wrong with a node that holds exactly what it acknowledged', () => {
    const attempts = [attempt('a', 'ok'), attempt('b', 'fail'), attempt('c', 'ok', 'ok'), attempt('d', 'ok')];
    expect(checkState(attempts, [held('a'), held('d')])).toEqual([]);
  });

  test('allows an unanswered store to be there or not', () => {
    expect(checkState([attempt('a', 'info')], [held('a')])).toEqual([]);
    expect(checkState([attempt('a', 'info')], [])).toEqual([]);
  });

  test('allows an unanswered forget to have happened or not', () => {
    expect(checkState([attempt('a', 'ok', 'info')], [held('a')])).toEqual([]);
    expect(checkState([attempt('a', 'ok', 'info')], [])).toEqual([]);
  });

  test('keeps a memory whose forgetting was refused', () => {
    expect(checkState([attempt('a', 'ok', 'fail')], [])).toMatchObject([{ kind: 'lost' }]);
  });

  test('reports an acknowledged memory that is gone', () => {
    expect(checkState([attempt('a', 'ok')], [])).toMatchObject([{ kind: 'lost' }]);
  });

  test('reports a memory held twice', () => {
    const twice = [held('a'), { ...held('a'), id: 'another' }];
    expect(checkState([attempt('a', 'ok')], twice).map(({ kind }) => kind)).toContain('duplicated');
  });

  test('reports a memory that nobody stored, and one that was refused', () => {
    expect(checkState([], [held('a')])).toMatchObject([{ kind: 'phantom' }]);
    expect(checkState([attempt('a', 'fail')], [held('a')])).toMatchObject([{ kind: 'phantom' }]);
  });

  test('reports changed content', () => {
    const changed = [{ id: 'id-a', content: 'content of A' }];
    expect(checkState([attempt('a', 'ok')], changed).map(({ kind }) => kind)).toEqual(['altered', 'lost']);
  });

  test('reports a forgotten memory that came back', () => {
    expect(checkState([attempt('a', 'ok', 'ok')], [held('a')])).toMatchObject([{ kind: 'resurrected' }]);
  });
});
