import { describe, expect, test } from 'vitest';
import { addProbe, of, type Probe } from '../../test/sim-probe.js';
import { buggify, instant, plusMs, sometimes, type EngramError } from '../index.js';
import { SimFailure, SimWorld } from './index.js';

describe('virtual time', () => {
  test('goes from event to event, and ends where the run was told to end', () => {
    const world = new SimWorld({ seed: 1 });
    const seen: number[] = [];
    for (const ms of [30, 10, 20, 50]) world.at(ms, () => seen.push(world.nowMs));
    expect(world.run({ untilMs: 40 })).toEqual({ reason: 'time', events: 3, atMs: 40 });
    expect(seen).toEqual([10, 20, 30]);
    expect(world.runFor(10)).toEqual({ reason: 'time', events: 1, atMs: 50 });
  });

  test('what was asked for in the past happens now', () => {
    const world = new SimWorld({ seed: 1 });
    world.run({ untilMs: 100 });
    world.at(5, () => expect(world.nowMs).toBe(100));
    expect(world.run({}).events).toBe(1);
  });

  test('a run without a time limit ends when nothing is left to happen', () => {
    const world = new SimWorld({ seed: 1 });
    world.at(3, () => {});
    expect(world.run({})).toEqual({ reason: 'idle', events: 1, atMs: 3 });
  });

  test('a run ends after the event that makes its condition true', () => {
    const world = new SimWorld({ seed: 1 });
    for (let ms = 1; ms <= 10; ms++) world.at(ms, () => {});
    expect(world.run({ until: (w) => w.nowMs >= 4 })).toEqual({ reason: 'until', events: 4, atMs: 4 });
  });

  test('a run has at most as many events as it was given, and can go on', () => {
    const world = new SimWorld({ seed: 1 });
    for (let ms = 1; ms <= 10; ms++) world.at(ms, () => {});
    expect(world.run({ eventsMax: 7 })).toEqual({ reason: 'events', events: 7, atMs: 7 });
    expect(world.run({ eventsMax: 7 })).toEqual({ reason: 'idle', events: 3, atMs: 10 });
  });

  test('an event that keeps scheduling itself at one instant fails the run instead of hanging it', () => {
    const world = new SimWorld({ seed: 1 });
    const again = (): void => world.at(0, again);
    again();
    expect(() => world.run({ untilMs: 1 })).toThrow(/1000000 events passed without time going on/);
  });

  test('a world cannot be run from within', () => {
    const world = new SimWorld({ seed: 1 });
    world.at(1, () => world.run({ untilMs: 2 }));
    expect(() => world.run({ untilMs: 2 })).toThrow(/cannot be run from within/);
  });
});

describe('checks', () => {
  test('a check runs after every event', () => {
    const world = new SimWorld({ seed: 1 });
    const steps: number[] = [];
    world.onStep((w) => steps.push(w.nowMs));
    for (const ms of [1, 2, 2, 5]) world.at(ms, () => {});
    world.run({});
    expect(steps).toEqual([1, 2, 2, 5]);
  });

  test('a check that throws fails the run, and the failure says where and how to see it again', () => {
    const world = new SimWorld({ seed: 42 });
    const cause = new Error('two primaries in epoch 3');
    world.at(1, () => {});
    world.at(1.5, () => {});
    world.onStep((w) => {
      if (w.events === 2) throw cause;
    });
    const failure = failureOf(() => world.run({}));
    expect(failure.message).toBe('two primaries in epoch 3 (seed 42, event 2, at 0.001500 s)');
    expect(failure.cause).toBe(cause);
    expect(failure.details).toEqual({ seed: '42', event: 2, atUs: 1_500 });
    expect(failure.hint).toContain('seed 42');
  });

  test('an exception out of the code of a node fails the run and names the node', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a');
    of(a).env.clock.schedule(instant(1_000), () => {
      throw new TypeError('undefined is not a function');
    });
    expect(failureOf(() => world.run({})).message).toBe('undefined is not a function (seed 1, event 1, at 0.001000 s, node a)');
  });
});

describe('nodes of a world', () => {
  test('two nodes cannot have one name, and a name that is too odd is refused', () => {
    const world = new SimWorld({ seed: 1 });
    addProbe(world, 'a');
    expect(() => addProbe(world, 'a')).toThrow(/a node called a is there already/);
    expect(() => addProbe(world, 'a b')).toThrow(/a node is called by 1 to 64/);
    expect(() => world.node('c')).toThrow(/no node is called c; there are a/);
  });

  test('a node that starts later is dead until then', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a', { startAtMs: 100 });
    expect(a.alive).toBe(false);
    world.run({ untilMs: 99 });
    expect(a.lives).toBe(0);
    world.run({ untilMs: 100 });
    expect(a.alive).toBe(true);
  });

  test('two nodes may claim one identity, which is up to what they boot', () => {
    const world = new SimWorld({ seed: 1 });
    const identities = ['a', 'a-twin'].map((id) => world.addNode(id, () => ({ identity: 'orders-1' })).process?.identity);
    expect(identities).toEqual(['orders-1', 'orders-1']);
  });

  test('what a node traces reaches the listeners with its time', () => {
    const world = new SimWorld({ seed: 1 });
    const events: unknown[] = [];
    world.onTrace((event) => events.push(event));
    const a = addProbe(world, 'a');
    of(a).env.clock.schedule(instant(2_500), () => of(a).env.trace('suspects', 'b', 3));
    world.run({});
    expect(events).toEqual([{ atMs: 2.5, node: 'a', what: 'suspects', details: ['b', 3] }]);
  });
});

describe('the trace hash', () => {
  const hashOf = (change: (world: SimWorld) => void): string => {
    const world = new SimWorld({ seed: 1 });
    const [a, b] = [addProbe(world, 'a'), addProbe(world, 'b')];
    world.at(1, () => of(a).send(b.address, 'hello'));
    change(world);
    world.run({ untilMs: 100 });
    return world.hash();
  };

  test('is sixteen hexadecimal digits, the same for the same course of events', () => {
    expect(hashOf(() => {})).toMatch(/^[0-9a-f]{16}$/);
    expect(hashOf(() => {})).toBe(hashOf(() => {}));
  });

  test.each<[string, (world: SimWorld) => void]>([
    ['a fault', (world) => world.at(50, () => world.node('b').kill())],
    ['another kind of death', (world) => world.at(50, () => world.node('b').kill('power'))],
    ['a pause', (world) => world.at(50, () => world.node('b').pause(1))],
    ['a clock that was set', (world) => world.at(50, () => world.node('b').jumpWallClock(1))],
    ['a network that was cut', (world) => world.at(50, () => world.network.block(['a'], ['b']))],
    ['a trace', (world) => world.at(50, () => of(world.node<Probe>('a')).env.trace('x'))],
  ])('differs after %s', (_, change) => {
    const idle = hashOf((world) => world.at(50, () => {}));
    expect(hashOf(change)).not.toBe(idle);
  });
});

describe('buggify and sometimes', () => {
  test('outside a world buggify is false and sometimes does nothing', () => {
    sometimes('outside');
    expect(Array.from({ length: 1_000 }, () => buggify('site'))).not.toContain(true);
  });

  test('a world that was not asked to keeps buggify false', () => {
    const world = new SimWorld({ seed: 1 });
    let fired = 0;
    for (let ms = 1; ms <= 1_000; ms++) world.at(ms, () => (fired += Number(buggify('site'))));
    world.run({});
    expect(fired).toBe(0);
  });

  test('sites are active in some runs, and then true at times', () => {
    const firedWith = (seed: number): number => {
      const world = new SimWorld({ seed, buggify: {} });
      let fired = 0;
      for (let ms = 1; ms <= 400; ms++) world.at(ms, () => (fired += Number(buggify('site'))));
      world.run({});
      return fired;
    };
    const runs = Array.from({ length: 60 }, (_, seed) => firedWith(seed));
    const active = runs.filter((fired) => fired > 0);
    expect(active.length).toBeGreaterThan(5);
    expect(active.length).toBeLessThan(30);
    for (const fired of active) expect(Math.abs(fired - 100)).toBeLessThan(50);
    expect(runs).toEqual(Array.from({ length: 60 }, (_, seed) => firedWith(seed)));
  });

  test('a world counts its own rare states, also those of a boot, and no others', () => {
    const [one, two] = [new SimWorld({ seed: 1 }), new SimWorld({ seed: 2 })];
    addProbe(one, 'a', {}, () => sometimes('booted'));
    one.at(1, () => sometimes('ticked'));
    one.at(2, () => sometimes('ticked'));
    one.run({});
    two.run({ untilMs: 5 });
    sometimes('ticked');
    expect([...one.sometimes]).toEqual([['booted', 1], ['ticked', 2]]);
    expect([...two.sometimes]).toEqual([]);
  });

  test('the oracle goes with the run even when the run fails', () => {
    const world = new SimWorld({ seed: 1, buggify: { siteChance: 1, passChance: 1 } });
    world.at(1, () => {
      if (buggify('site')) throw new Error('fired');
    });
    expect(() => world.run({})).toThrow(/fired/);
    expect(buggify('site')).toBe(false);
  });
});

test('a timer asked for in microseconds comes at that microsecond', () => {
  const world = new SimWorld({ seed: 1 });
  const { env } = of(addProbe(world, 'a'));
  const seen: number[] = [];
  env.clock.schedule(plusMs(env.clock.now(), 0.007), () => seen.push(world.now));
  world.run({});
  expect(seen).toEqual([7]);
});

function failureOf(run: () => void): EngramError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(SimFailure);
    return error as EngramError;
  }
  throw new Error('the run was expected to fail');
}
