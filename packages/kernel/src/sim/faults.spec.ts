import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { addProbe, of, type Probe } from '../../test/sim-probe.js';
import { Random } from '../index.js';
import { applyFaults, randomFaultKinds, randomFaultSchedule, SimWorld, type FaultAction } from './index.js';

function threeNodes(): SimWorld {
  const world = new SimWorld({ seed: 1, transcript: { kinds: ['fault', 'life'] } });
  for (const id of ['a', 'b', 'c']) addProbe(world, id);
  return world;
}

describe('a schedule', () => {
  test('happens as written', () => {
    const world = threeNodes();
    const schedule: FaultAction[] = [
      { atMs: 10, kind: 'kill', node: 'a' },
      { atMs: 20, kind: 'restart', node: 'a' },
      { atMs: 30, kind: 'pause', node: 'b', forMs: 5 },
      { atMs: 40, kind: 'partition', groups: [['a'], ['b', 'c']] },
      { atMs: 50, kind: 'block', from: ['a'], to: ['*'] },
      { atMs: 60, kind: 'disturb', from: '*', to: 'c', link: { loss: 0.5 } },
      { atMs: 70, kind: 'heal' },
      { atMs: 80, kind: 'jump-wall-clock', node: 'c', byMs: -1_000 },
      { atMs: 90, kind: 'drift', node: 'c', ppm: 40 },
      { atMs: 100, kind: 'move-address', address: 'a:7946', to: 'b' },
      { atMs: 110, kind: 'stop', node: 'c' },
      { atMs: 120, kind: 'kill', node: 'c', how: 'power' },
    ];
    applyFaults(world, schedule.toReversed());
    world.run({ untilMs: 200 });
    expect(world.transcript.lines().map((line) => line.trimStart())).toEqual([
      '0.000000 s  a  boots, life 1',
      '0.000000 s  b  boots, life 1',
      '0.000000 s  c  boots, life 1',
      '0.010000 s  a  is killed',
      '0.020000 s  a  boots, life 2',
      '0.030000 s  b  is paused for 5 ms',
      '0.035000 s  b  runs again',
      '0.040000 s     partition a | b c',
      '0.050000 s     block a -> *',
      '0.060000 s     disturb * -> c {"loss":0.5}',
      '0.070000 s     heal',
      '0.080000 s  c  has its wall clock set back by 1000 ms',
      '0.090000 s  c  drifts by 40 ppm',
      '0.100000 s     move a:7946 to b',
      '0.110000 s  c  is asked to stop',
      '0.120000 s  c  loses power',
    ]);
  });

  test('stays valid when actions are taken out of it: what makes no sense does nothing', () => {
    const world = threeNodes();
    applyFaults(world, [
      { atMs: 10, kind: 'kill', node: 'a' },
      { atMs: 11, kind: 'kill', node: 'a' },
      { atMs: 12, kind: 'pause', node: 'a', forMs: 100 },
      { atMs: 13, kind: 'stop', node: 'a' },
      { atMs: 20, kind: 'restart', node: 'a' },
      { atMs: 21, kind: 'restart', node: 'a' },
    ]);
    world.run({ untilMs: 200 });
    expect(world.node('a')).toMatchObject({ alive: true, paused: false, lives: 2 });
  });

  test('that cannot be is refused as a whole, saying what is wrong', () => {
    const refused: [FaultAction, RegExp][] = [
      [{ atMs: 1, kind: 'kill', node: 'z' }, /no node is called z; there are a, b, c/],
      [{ atMs: 1, kind: 'partition', groups: [['a'], ['z']] }, /no node is called z/],
      [{ atMs: 1, kind: 'block', from: ['a'], to: ['z'] }, /no node is called z/],
      [{ atMs: 1, kind: 'move-address', address: 'a:7946', to: 'z' }, /no node is called z/],
      [{ atMs: 1, kind: 'disturb', from: 'a', to: 'b', link: { loss: 2 } }, /option loss/],
      [{ atMs: 1, kind: 'pause', node: 'a', forMs: -1 }, /a pause does not last -1 ms/],
      [{ atMs: 1, kind: 'drift', node: 'a', ppm: 1e6 }, /drifts by at most/],
      [{ atMs: 1, kind: 'jump-wall-clock', node: 'a', byMs: 0.5 }, /whole milliseconds/],
      [{ atMs: -1, kind: 'heal' }, /at 0 ms or later/],
    ];
    for (const [action, complaint] of refused) {
      const world = threeNodes();
      expect(() => applyFaults(world, [{ atMs: 1, kind: 'kill', node: 'a' }, action])).toThrow(complaint);
      world.run({ untilMs: 10 });
      expect(world.node('a').alive).toBe(true);
    }
  });
});

describe('a random schedule', () => {
  const nodes = ['a', 'b', 'c', 'd', 'e'];
  const dealt = (seed: number): FaultAction[] => randomFaultSchedule(Random.fromSeed(seed), { nodes, fromMs: 5_000, untilMs: 60_000 });

  test('is the same for the same stream, and is plain data', () => {
    expect(dealt(1)).toEqual(dealt(1));
    expect(JSON.parse(JSON.stringify(dealt(1)))).toEqual(dealt(1));
    expect(dealt(1)).not.toEqual(dealt(2));
  });

  test('has every kind of fault sooner or later', () => {
    const kinds = new Set(Array.from({ length: 20 }, (_, seed) => dealt(seed)).flat().map(({ kind }) => kind));
    for (const kind of randomFaultKinds) expect(kinds).toContain(kind);
  });

  test('is in order, within its bounds, never takes down half of the nodes at once, and leaves all well', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const schedule = dealt(seed);
        const times = schedule.map(({ atMs }) => atMs);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        expect(Math.min(...times)).toBeGreaterThan(5_000);
        expect(Math.max(...times)).toBeLessThanOrEqual(60_000);

        const world = new SimWorld({ seed });
        for (const id of nodes) addProbe(world, id);
        applyFaults(world, schedule);
        world.onStep(() => expect(world.nodes.filter((node) => !node.alive || node.paused).length).toBeLessThanOrEqual(2));
        world.run({ untilMs: 60_000 });
        expect(world.nodes.filter((node) => node.alive && !node.paused).length).toBe(5);
        for (const from of world.nodes) for (const to of world.nodes) of(world.node<Probe>(from.id)).send(to.address, from.id);
        world.runFor(1_000);
        for (const node of world.nodes) {
          const heard = new Set(of(world.node<Probe>(node.id)).got.slice(-5).map(({ text }) => text));
          expect([...heard].toSorted()).toEqual(nodes);
        }
      }),
      { numRuns: 60 },
    );
  });

  test('can be told to go without some kinds, and what cannot be is refused', () => {
    const random = Random.fromSeed(1);
    const killsOnly = randomFaultSchedule(random, { nodes, fromMs: 0, untilMs: 100_000, kinds: ['kill'] });
    expect([...new Set(killsOnly.map(({ kind }) => kind))].toSorted()).toEqual(['heal', 'kill', 'restart']);
    expect(() => randomFaultSchedule(random, { nodes: [], fromMs: 0, untilMs: 1 })).toThrow(/option nodes/);
    expect(() => randomFaultSchedule(random, { nodes, fromMs: 5, untilMs: 5 })).toThrow(/option untilMs/);
    expect(() => randomFaultSchedule(random, { nodes, fromMs: 0, untilMs: 5, kinds: [] })).toThrow(/option kinds/);
    expect(() => randomFaultSchedule(random, { nodes, fromMs: 0, untilMs: 5, everyMs: 0 })).toThrow(/option everyMs/);
    expect(() => randomFaultSchedule(random, { nodes, fromMs: 0, untilMs: 5, lastsMsMax: 0 })).toThrow(/option lastsMsMax/);
  });
});
