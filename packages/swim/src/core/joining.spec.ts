import { Random } from '@engram/kernel';
import { expect, test } from 'vitest';
import { addressOf } from '../../test/swim-fixtures.js';
import { Joining } from './joining.js';
import { resolveSwimOptions } from './options.js';
import { SwimContext } from './swim-context.js';

const [one, two] = [addressOf('1'), addressOf('2')];
const joiningOf = () => {
  const context = new SwimContext(resolveSwimOptions(), Random.fromSeed(1));
  return { context, joining: new Joining(context) };
};

test('without seeds it is done at once', () => {
  const { context, joining } = joiningOf();
  joining.begin(1, [], () => {});
  expect(context.takeEffects()).toEqual([{ kind: 'join-finished', request: 1, contacted: [], failed: [] }]);
  expect(joining.isUnderWay).toBe(false);
});

test('it is done when each seed has answered or not, be it at once', () => {
  const { context, joining } = joiningOf();
  joining.begin(1, [one, two], (seed) => { if (seed === one) joining.contacted(one, 'refused'); });
  expect(context.takeEffects()).toEqual([]);
  joining.contacted(two, undefined);
  joining.contacted(two, 'too late');
  expect(context.takeEffects()).toEqual([{ kind: 'join-finished', request: 1, contacted: [two], failed: [{ address: one, reason: 'refused' }] }]);
});

test('a seed that is the node itself is neither met nor missing', () => {
  const { context, joining } = joiningOf();
  joining.begin(1, [one, two], () => {});
  joining.isOurselves(one);
  joining.contacted(two, 'refused');
  expect(context.takeEffects()).toEqual([{ kind: 'join-finished', request: 1, contacted: [], failed: [{ address: two, reason: 'refused' }] }]);
});

test('what is abandoned is refused once', () => {
  const { context, joining } = joiningOf();
  joining.begin(1, [one], () => {});
  joining.abandon('shutting_down', 'enough');
  joining.abandon('shutting_down', 'enough');
  joining.contacted(one, undefined);
  expect(context.takeEffects()).toEqual([{ kind: 'request-refused', request: 1, code: 'shutting_down', message: 'enough' }]);
});
