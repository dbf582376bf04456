import type { MapContent, PartitionPlacement, RegisterState } from '@engram/placement/core';
import { contentOf } from '@engram/placement/core';
import { describe, expect, test } from 'vitest';
import { mapOf, placed, voter } from '../../test/maps.js';
import { controlProblem, decodeControl, encodeControl } from './control-codec.js';

const stateOf = (...table: PartitionPlacement[]): RegisterState<MapContent> => ({ version: 3, value: contentOf(mapOf(['a', 'b', 'c'], table)), change: 'a#1', voters: [voter('a')], previousVoters: undefined, votersVersion: 1 });
const ghost = stateOf(placed('a', ['b']), placed('b', ['ghost']));

describe('what is refused says why', () => {
  test.each([
    ['a map whose table names a node that the roster has not', encodeControl({ kind: 'map', state: ghost })],
    ['a vote that is asked for one', encodeControl({ kind: 'register', message: { to: 'acceptor', request: { kind: 'accept', storageId: 'disk-1', ballot: { round: 4, proposer: 'a.1' }, state: ghost } } })],
  ])('%s', (_what, bytes) => {
    expect(decodeControl(bytes)).toBeUndefined();
    expect(controlProblem(bytes)).toBe('partition 1 refers to node "ghost", which is not in the roster');
  });

  test('a message of another version names both', () => {
    const bytes = encodeControl({ kind: 'map', state: stateOf(placed('a', ['b'])) });
    expect(decodeControl(bytes)).toBeDefined();
    bytes[1] = 9;
    expect(decodeControl(bytes)).toBeUndefined();
    expect(controlProblem(bytes)).toBe('it is in version 9 of the protocol, and this node reads version 1');
  });

  test.each([
    ['of a kind that a later version has', [99, 0], 'it is of kind 99, which this node does not know'],
    ['cut off', [...encodeControl({ kind: 'map', state: ghost })].slice(0, 40), 'it cannot be read'],
    ['of a lease that is none', [2, 123], 'it cannot be read'],
    ['empty', [], 'it is of kind none, which this node does not know'],
  ])('a message %s', (_what, bytes, problem) => {
    expect(decodeControl(Uint8Array.from(bytes))).toBeUndefined();
    expect(controlProblem(Uint8Array.from(bytes))).toBe(problem);
  });
});
