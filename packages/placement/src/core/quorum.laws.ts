import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseNodeId } from '@engram/kernel';
import { everyVoter, isQuorum, sameVoters, voterChangeProblem, voterKey, type Electorate, type Voter } from './quorum.js';

const all: readonly Voter[] = ['a', 'b', 'c', 'd', 'e', 'f', 'g'].map((id) => ({ id: parseNodeId(id), storageId: 'disk' }));
const some = fc.shuffledSubarray([...all], { minLength: 1 });
const keysOf = (voters: readonly Voter[]): Set<string> => new Set(voters.map(voterKey));

test('two quorums of one electorate share a voter, settled or joint', () => {
  fc.assert(fc.property(some, fc.option(some, { nil: undefined }), some, some, (voters, previousVoters, x, y) => {
    const electorate: Electorate = { voters, previousVoters };
    const [one, other] = [keysOf(x), keysOf(y)];
    if (isQuorum(electorate, one) && isQuorum(electorate, other)) expect([...one].some((key) => other.has(key))).toBe(true);
  }), { numRuns: 3_000 });
});

test('a quorum of a joint electorate shares a voter with every quorum before and after the change', () => {
  fc.assert(fc.property(some, some, some, some, fc.boolean(), (voters, previousVoters, x, y, after) => {
    const [joint, settled] = [keysOf(x), keysOf(y)];
    if (!isQuorum({ voters, previousVoters }, joint) || !isQuorum({ voters: after ? voters : previousVoters, previousVoters: undefined }, settled)) return;
    expect([...joint].some((key) => settled.has(key))).toBe(true);
  }), { numRuns: 3_000 });
});

test('voters may follow one another when one was added or one removed, and only then', () => {
  fc.assert(fc.property(some, some, (from, to) => {
    const differing = everyVoter({ voters: from, previousVoters: to }).filter((voter) => from.includes(voter) !== to.includes(voter)).length;
    expect(voterChangeProblem(from, to) === undefined).toBe(differing <= 1);
    expect(sameVoters(from, to)).toBe(differing === 0);
  }), { numRuns: 2_000 });
});

test('the same node with another disk is another voter, and both may not vote', () => {
  const [a] = all as [Voter];
  const replaced = { ...a, storageId: 'new' };
  expect(isQuorum({ voters: [a], previousVoters: undefined }, keysOf([replaced]))).toBe(false);
  expect(voterChangeProblem([a], [a, replaced])).toBe('each node votes once');
  expect(voterChangeProblem([a], [])).toBe('somebody must vote');
  expect(voterChangeProblem(all, [...all, { id: parseNodeId('h'), storageId: 'disk' }])).toBe('at most 7 nodes vote, not 8');
});
