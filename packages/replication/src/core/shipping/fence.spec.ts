import { expect, test } from 'vitest';
import { CoreCluster, entryOf, id } from '../../../test/core-cluster.js';

const three = ['a', 'b', 'c'];

test('a copy that is fenced while entries are on their way to its log says so to their primary, which would wait for them for ever', () => {
  const cluster = new CoreCluster(three);
  cluster.lead(entryOf(1, 'a', three));
  cluster.pass(1_000);
  cluster.hold = (name, effect) => name === 'b' && effect.kind === 'append-log';
  cluster.append('a', 1, 'one', 'local');
  cluster.dispatch('b', { kind: 'fence-copies', partition: 7, epoch: 5, nodes: [id('b')] });
  cluster.release();
  cluster.pass(3_000);
  expect(cluster.take('a', 'superseded')).toContainEqual({ kind: 'superseded', partition: 7, epoch: 1, by: 'b', promised: 5 });
});
