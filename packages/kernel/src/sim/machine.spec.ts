import { describe, expect, test } from 'vitest';
import { addProbe, of } from '../../test/sim-probe.js';
import { Driver, instant, plusMs, utf8Encode, type Core, type Instant, type Wake } from '../index.js';
import { SimWorld } from './index.js';

/** Beats every 100 ms. */
class Beat implements Core<never, number> {
  #due: Instant;
  #beats = 0;

  constructor(start: Instant) {
    this.#due = plusMs(start, 100);
  }

  handle(_: Wake, now: Instant): readonly number[] {
    if (now < this.#due) return [];
    this.#due = plusMs(now, 100);
    return [++this.#beats];
  }

  nextWake(): Instant {
    return this.#due;
  }
}

function beatingWorld() {
  const world = new SimWorld({ seed: 1 });
  const beats: [life: number, beat: number, atMs: number][] = [];
  const node = world.addNode('a', (env) => {
    const driver = new Driver(new Beat(env.clock.now()), env.clock, (beat) => beats.push([env.life, beat, world.nowMs]));
    return { env, driver };
  });
  return { world, node, beats };
}

describe('life and death', () => {
  test('the driver of production runs on the clock of a node', () => {
    const { world, beats } = beatingWorld();
    world.run({ untilMs: 350 });
    expect(beats).toEqual([[1, 1, 100], [1, 2, 200], [1, 3, 300]]);
  });

  test('nothing of a killed node runs, and a restart begins from the beginning', () => {
    const { world, node, beats } = beatingWorld();
    world.run({ untilMs: 150 });
    node.kill();
    expect([node.alive, node.process]).toEqual([false, undefined]);
    world.run({ untilMs: 1_000 });
    node.restart();
    world.run({ untilMs: 1_150 });
    expect(beats).toEqual([[1, 1, 100], [2, 1, 1_100]]);
    expect(node.lives).toBe(2);
  });

  test('whoever listens hears of boots, deaths and pauses, however they came about', () => {
    const world = new SimWorld({ seed: 1 });
    const heard: string[] = [];
    world.onLife(({ atMs, node, what }) => heard.push(`${atMs} ${node} ${what}`));
    const node = world.addNode('a', (env) => {
      env.clock.schedule(instant(300_000), () => env.exit('done'));
      return {};
    });
    world.at(100, () => node.pause(50));
    world.at(200, () => node.restart());
    world.run({ untilMs: 1_000 });
    expect(heard).toEqual(['0 a boot', '100 a pause', '150 a resume', '200 a death', '200 a boot', '500 a death']);
  });

  test('the monotonic clock begins at 0 in every life', () => {
    const { world, node } = beatingWorld();
    world.run({ untilMs: 5_000 });
    expect(node.process?.env.clock.now()).toBe(5_000_000);
    node.restart();
    expect(node.process?.env.clock.now()).toBe(0);
  });

  test('each life draws from a stream of its own, the same in every run', () => {
    const drawn = (): number[] => {
      const { node } = beatingWorld();
      const first = node.process?.env.random.uint32() ?? 0;
      node.restart();
      return [first, node.process?.env.random.uint32() ?? 0];
    };
    expect(drawn()).toEqual(drawn());
    expect(new Set(drawn()).size).toBe(2);
  });

  test('whoever uses the environment of a dead life is told so', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a');
    const { env } = of(a);
    const cancel = env.clock.schedule(instant(1_000), () => {});
    a.restart();
    const dead = /life 1 of a is over, but its code is running/;
    expect(() => env.clock.now()).toThrow(dead);
    expect(() => env.clock.schedule(instant(0), () => {})).toThrow(dead);
    expect(() => env.wallClockMs()).toThrow(dead);
    expect(() => env.datagrams.send('a:7946', new Uint8Array())).toThrow(dead);
    expect(() => env.datagrams.onReceive(() => {})).toThrow(dead);
    expect(() => env.streams.connect('a:7946', {})).toThrow(dead);
    expect(() => env.storage.get('k')).toThrow(dead);
    expect(() => env.trace('x')).toThrow(dead);
    expect(() => env.exit('x')).toThrow(dead);
    cancel(); // As a driver does that is stopped after the fact.
  });

  test('a process that exits is dead at once, in the middle of what it does', () => {
    const world = new SimWorld({ seed: 1, transcript: { kinds: ['life'] } });
    const done: string[] = [];
    const a = addProbe(world, 'a', {}, ({ env }) => {
      env.clock.schedule(instant(5_000), () => {
        done.push('before');
        env.exit('out of memory');
        done.push('after');
      });
    });
    world.run({ untilMs: 100 });
    expect(done).toEqual(['before']);
    expect(a.alive).toBe(false);
    expect(world.transcript.lines().at(-1)).toContain('a exits: out of memory');
  });

  test('a node that exits while booting is dead, and the world goes on', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a', {}, ({ env }) => env.exit('port taken'));
    expect([a.alive, a.process, a.lives]).toEqual([false, undefined, 1]);
    expect(world.run({ untilMs: 10 }).reason).toBe('time');
  });

  test('a listener may kill a node at the very moment it traces something; nothing after it happens', () => {
    const world = new SimWorld({ seed: 1 });
    const done: string[] = [];
    const a = addProbe(world, 'a', {}, ({ env }) => {
      env.clock.schedule(instant(5_000), () => {
        env.trace('written');
        done.push('acknowledged');
      });
    });
    world.onTrace(({ what }) => {
      if (what === 'written') a.kill('power');
    });
    world.run({ untilMs: 100 });
    expect(done).toEqual([]);
    expect(a.alive).toBe(false);
  });

  test('a node asked to stop says goodbye and goes when it pleases', () => {
    const world = new SimWorld({ seed: 1 });
    const b = addProbe(world, 'b');
    const a = world.addNode('a', (env) => ({
      stop() {
        env.datagrams.send('b:7946', utf8Encode('bye'));
        env.clock.schedule(plusMs(env.clock.now(), 10), () => env.exit('done'));
      },
    }));
    a.stop();
    expect(a.alive).toBe(true);
    world.run({ untilMs: 100 });
    expect(a.alive).toBe(false);
    expect(of(b).got.map(({ text }) => text)).toEqual(['bye']);
    a.stop(); // Nobody there to ask.
  });

  test('a packet under way to a node that dies is lost as dead', () => {
    const world = new SimWorld({ seed: 1, link: { delay: 10 } });
    const [a, b] = [addProbe(world, 'a'), addProbe(world, 'b')];
    of(a).send(b.address, 'x');
    world.run({ untilMs: 5 });
    b.kill();
    world.run({ untilMs: 50 });
    expect(b.traffic.dropped.dead).toBe(1);
  });
});

describe('timers', () => {
  test('a cancelled timer never runs, however often it is cancelled', () => {
    const world = new SimWorld({ seed: 1 });
    const { env } = of(addProbe(world, 'a'));
    const ran: string[] = [];
    const cancel = env.clock.schedule(instant(1_000), () => ran.push('cancelled'));
    env.clock.schedule(instant(2_000), () => ran.push('kept'));
    cancel();
    cancel();
    world.run({});
    cancel();
    expect(ran).toEqual(['kept']);
  });

  test('a timer that is due already runs soon, behind what has arrived by then', () => {
    const world = new SimWorld({ seed: 1 });
    const { env } = of(addProbe(world, 'a'));
    const ran: number[] = [];
    world.run({ untilMs: 10 });
    env.clock.schedule(instant(3_000), () => ran.push(world.nowMs));
    world.run({ untilMs: 20 });
    expect(ran).toEqual([10.1]);
  });

  test('thousands of timers that are set and cancelled again leave nothing behind', () => {
    const world = new SimWorld({ seed: 1 });
    const { env } = of(addProbe(world, 'a'));
    for (let i = 0; i < 10_000; i++) env.clock.schedule(instant(1_000 + i), () => expect.unreachable())();
    let ran = 0;
    env.clock.schedule(instant(50_000), () => ran++);
    expect(world.run({})).toEqual({ reason: 'idle', events: 1, atMs: 50 });
    expect(ran).toBe(1);
  });
});

describe('pauses', () => {
  test('all that came due runs late, timers first in their order, then the socket in its order', () => {
    const world = new SimWorld({ seed: 1, link: { delay: 1 } });
    const [a, b] = [addProbe(world, 'a'), addProbe(world, 'b')];
    const { env } = of(b);
    const ran: string[] = [];
    env.datagrams.onReceive((_, bytes) => ran.push(`got ${String.fromCharCode(...bytes)} at ${world.nowMs}`));
    for (const ms of [30, 20]) env.clock.schedule(instant(ms * 1_000), () => ran.push(`timer ${ms} at ${world.nowMs}`));
    world.run({ untilMs: 10 });
    of(a).send(b.address, 'x');
    of(a).send(b.address, 'y');
    b.pause(90);
    expect(b.paused).toBe(true);
    world.run({ untilMs: 99 });
    expect(ran).toEqual([]);
    world.run({ untilMs: 100 });
    expect(ran).toEqual(['timer 20 at 100', 'timer 30 at 100', 'got x at 100', 'got y at 100']);
    expect(b.paused).toBe(false);
  });

  test('a timer that a late timer asks for at once runs after the socket was read', () => {
    const world = new SimWorld({ seed: 1, link: { delay: 1 } });
    const [a, b] = [addProbe(world, 'a'), addProbe(world, 'b')];
    const { env } = of(b);
    const ran: string[] = [];
    env.datagrams.onReceive(() => ran.push('datagram'));
    env.clock.schedule(instant(20_000), () => {
      ran.push('late timer');
      env.clock.schedule(env.clock.now(), () => ran.push('second thoughts'));
    });
    of(a).send(b.address, 'x');
    b.pause(100);
    world.run({ untilMs: 200 });
    expect(ran).toEqual(['late timer', 'datagram', 'second thoughts']);
  });

  test('clocks go on meanwhile', () => {
    const { world, node, beats } = beatingWorld();
    world.run({ untilMs: 50 });
    node.pause(500);
    world.run({ untilMs: 800 });
    expect(beats.map(([, , atMs]) => atMs)).toEqual([550, 650, 750]);
  });

  test('pauses overlap: the latest end counts', () => {
    const { world, node, beats } = beatingWorld();
    node.pause(300);
    world.run({ untilMs: 100 });
    node.pause(50);
    node.pause(400);
    world.run({ untilMs: 550 });
    expect(beats.map(([, , atMs]) => atMs)).toEqual([500]);
  });

  test('a pause of no time at all changes nothing for good', () => {
    const { world, node, beats } = beatingWorld();
    node.pause(0);
    world.run({ untilMs: 150 });
    expect([node.paused, beats.length]).toEqual([false, 1]);
  });

  test('the socket holds what fits its buffer and drops the rest', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a');
    const b = addProbe(world, 'b', { socketBufferBytesMax: 3 * (768 + 4) });
    b.pause(100);
    for (let i = 0; i < 5; i++) of(a).send(b.address, `msg${i}`);
    world.run({ untilMs: 200 });
    expect(of(b).got.map(({ text }) => text)).toEqual(['msg0', 'msg1', 'msg2']);
    expect(b.traffic.dropped['buffer-full']).toBe(2);
    b.pause(100);
    of(a).send(b.address, 'room again');
    world.run({ untilMs: 400 });
    expect(of(b).got.at(-1)?.text).toBe('room again');
  });

  test('a node killed while paused loses what lay in its socket, and its next life does not see it', () => {
    const world = new SimWorld({ seed: 1 });
    const [a, b] = [addProbe(world, 'a'), addProbe(world, 'b')];
    b.pause(1_000);
    of(a).send(b.address, 'x');
    world.run({ untilMs: 100 });
    b.restart();
    world.run({ untilMs: 2_000 });
    expect(of(b).got).toEqual([]);
    expect(b.traffic.dropped.killed).toBe(1);
    expect(b.paused).toBe(false);
  });

  test('a late timer that kills its own process leaves the rest unread', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a');
    const b = addProbe(world, 'b', {}, ({ env }) => env.clock.schedule(instant(10_000), () => env.exit('bug')));
    b.pause(100);
    of(a).send(b.address, 'x');
    world.run({ untilMs: 200 });
    expect(b.alive).toBe(false);
    expect(b.traffic.dropped.killed).toBe(1);
    expect(world.network.totals().inFlight).toBe(0);
  });

  test('a late timer can still be cancelled by one that runs before it', () => {
    const world = new SimWorld({ seed: 1 });
    const b = addProbe(world, 'b');
    const { env } = of(b);
    const ran: string[] = [];
    const cancel = env.clock.schedule(instant(20_000), () => ran.push('cancelled'));
    env.clock.schedule(instant(10_000), () => cancel());
    env.clock.schedule(instant(30_000), () => ran.push('kept'));
    b.pause(50);
    world.run({ untilMs: 100 });
    expect(ran).toEqual(['kept']);
  });

  test('a node that is paused again while catching up goes on later', () => {
    const world = new SimWorld({ seed: 1 });
    const b = addProbe(world, 'b');
    const { env } = of(b);
    const ran: number[] = [];
    env.clock.schedule(instant(10_000), () => {
      ran.push(world.nowMs);
      b.pause(100);
    });
    env.clock.schedule(instant(20_000), () => ran.push(world.nowMs));
    b.pause(50);
    world.run({ untilMs: 500 });
    expect(ran).toEqual([50, 150]);
  });
});

describe('clocks', () => {
  test('wall clocks agree until somebody sets one; a restart does not put it right', () => {
    const world = new SimWorld({ seed: 1, wallClockStartMs: 1_000_000 });
    const [a, b] = [addProbe(world, 'a'), addProbe(world, 'b', { wallClockOffsetMs: 500 })];
    world.run({ untilMs: 2_000 });
    expect([of(a).env.wallClockMs(), of(b).env.wallClockMs()]).toEqual([1_002_000, 1_002_500]);
    a.jumpWallClock(-10_000);
    a.restart();
    expect(of(a).env.wallClockMs()).toBe(992_000);
  });

  test('a jump of the wall clock moves no timer', () => {
    const { world, node, beats } = beatingWorld();
    node.jumpWallClock(3_600_000);
    world.run({ untilMs: 150 });
    expect(beats).toEqual([[1, 1, 100]]);
  });

  test('a drifting machine counts faster or slower, on both clocks', () => {
    const world = new SimWorld({ seed: 1, wallClockStartMs: 0 });
    const [fast, slow] = [addProbe(world, 'fast', { driftPpm: 10_000 }), addProbe(world, 'slow', { driftPpm: -10_000 })];
    const fired: [string, number][] = [];
    for (const { env } of [of(fast), of(slow)]) env.clock.schedule(instant(1_000_000), () => fired.push([env.id, world.nowMs]));
    world.run({ untilMs: 100_000 });
    expect([of(fast).env.clock.now(), of(slow).env.clock.now()]).toEqual([101_000_000, 99_000_000]);
    expect([of(fast).env.wallClockMs(), of(slow).env.wallClockMs()]).toEqual([101_000, 99_000]);
    expect(fired.map(([id, ms]) => [id, Math.round(ms)])).toEqual([['fast', 990], ['slow', 1_010]]);
  });

  test('a timer never runs before its time, even when the clock slows down after it was set', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a');
    const { env } = of(a);
    const fired: number[] = [];
    env.clock.schedule(instant(1_000_000), () => fired.push(env.clock.now()));
    a.drift(-50_000);
    world.run({ untilMs: 2_000 });
    expect(fired).toEqual([1_000_000]);
  });

  test('the monotonic clock does not go back when the drift changes', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a');
    let last = 0;
    for (let i = 0; i < 500; i++) {
      world.runFor(0.777);
      const now = of(a).env.clock.now();
      expect(now).toBeGreaterThanOrEqual(last);
      last = now;
      a.drift(world.random('test').below(200_001) - 100_000);
    }
    expect(() => a.drift(200_000)).toThrow(/at most 100000 ppm/);
  });
});

describe('storage', () => {
  const bytes = (text: string): Uint8Array => utf8Encode(text);
  const text = (value: Uint8Array | undefined): string | undefined => (value === undefined ? undefined : new TextDecoder('utf-8').decode(value));

  test('what was written survives the death of the process, synced or not', () => {
    const a = addProbe(new SimWorld({ seed: 1 }), 'a');
    of(a).env.storage.set('epoch', bytes('7'));
    a.kill();
    a.restart();
    expect(text(of(a).env.storage.get('epoch'))).toBe('7');
  });

  test('a loss of power keeps what was synced and any subset of what was not', () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 64; seed++) {
      const a = addProbe(new SimWorld({ seed }), 'a');
      const { storage } = of(a).env;
      storage.set('synced', bytes('1'));
      storage.set('overwritten', bytes('old'));
      storage.sync();
      storage.set('overwritten', bytes('new'));
      storage.set('fresh', bytes('1'));
      a.kill('power');
      a.restart();
      const after = of(a).env.storage;
      expect(text(after.get('synced'))).toBe('1');
      outcomes.add(`${text(after.get('overwritten'))} ${after.keys().join(',')}`);
    }
    expect([...outcomes].sort()).toEqual([
      'new fresh,overwritten,synced',
      'new overwritten,synced',
      'old fresh,overwritten,synced',
      'old overwritten,synced',
    ]);
  });

  test('of several writes that were not synced a loss of power keeps the last or none', () => {
    const outcomes = new Set<string | undefined>();
    for (let seed = 0; seed < 32; seed++) {
      const a = addProbe(new SimWorld({ seed }), 'a');
      for (const value of ['synced', 'middle', 'last']) {
        of(a).env.storage.set('k', bytes(value));
        if (value === 'synced') of(a).env.storage.sync();
      }
      a.kill('power');
      a.restart();
      outcomes.add(text(of(a).env.storage.get('k')));
    }
    expect(outcomes).toEqual(new Set(['synced', 'last']));
  });

  test('a deletion that was not synced may be undone by a loss of power', () => {
    const kept = new Set<boolean>();
    for (let seed = 0; seed < 32; seed++) {
      const a = addProbe(new SimWorld({ seed }), 'a');
      of(a).env.storage.set('k', bytes('v'));
      of(a).env.storage.sync();
      of(a).env.storage.delete('k');
      expect(of(a).env.storage.get('k')).toBe(undefined);
      a.kill('power');
      a.restart();
      kept.add(of(a).env.storage.get('k') !== undefined);
    }
    expect(kept).toEqual(new Set([true, false]));
  });

  test('a restart on another disk finds nothing', () => {
    const a = addProbe(new SimWorld({ seed: 1 }), 'a');
    of(a).env.storage.set('epoch', bytes('7'));
    of(a).env.storage.sync();
    a.restart({ storage: 'lost' });
    expect(of(a).env.storage.keys()).toEqual([]);
  });

  test('keeps copies, and takes no more than it has room for', () => {
    const a = addProbe(new SimWorld({ seed: 1 }), 'a', { storageBytesMax: 10 });
    const { storage } = of(a).env;
    const value = bytes('12345');
    storage.set('k', value);
    value[0] = 0;
    expect(text(storage.get('k'))).toBe('12345');
    (storage.get('k') as Uint8Array)[0] = 0;
    expect(text(storage.get('k'))).toBe('12345');
    storage.set('k', bytes('1234567890'));
    expect(() => storage.set('l', bytes('1'))).toThrow(/would exceed the 10 bytes of this simulated disk/);
    expect(storage.keys()).toEqual(['k']);
    storage.delete('k');
    storage.set('l', bytes('1'));
  });
});
