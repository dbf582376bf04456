import { describe, expect, test } from 'vitest';
import { addProbe, of, type Probe } from '../../test/sim-probe.js';
import { SimWorld, type LinkOptions, type SimNode } from './index.js';

function pair(link: LinkOptions, seed = 1): { world: SimWorld; a: SimNode<Probe>; b: SimNode<Probe> } {
  const world = new SimWorld({ seed, link });
  return { world, a: addProbe(world, 'a'), b: addProbe(world, 'b') };
}

/** `count` datagrams each way, one per millisecond. */
function chatter(world: SimWorld, a: SimNode<Probe>, b: SimNode<Probe>, count: number): void {
  for (let i = 0; i < count; i++) {
    world.at(world.nowMs + i, () => {
      of(a).send(b.address, `a${i}`);
      of(b).send(a.address, `b${i}`);
    });
  }
  world.runFor(count + 1_000);
}

describe('a healthy link', () => {
  test('delivers the bytes after the delay, from the address of the sender', () => {
    const { world, a, b } = pair({ delay: 5 });
    of(a).send('b:7946', 'hello');
    world.runFor(100);
    expect(of(b).got).toEqual([{ atMs: 5, from: 'a:7946', text: 'hello' }]);
    expect(a.traffic).toMatchObject({ packetsOut: 1, bytesOut: 5, packetsIn: 0 });
    expect(b.traffic).toMatchObject({ packetsOut: 0, packetsIn: 1, bytesIn: 5 });
  });

  test('keeps the order of what was sent', () => {
    const { world, a, b } = pair({});
    for (let i = 0; i < 200; i++) of(a).send(b.address, String(i));
    world.runFor(1_000);
    expect(of(b).got.map(({ text }) => text)).toEqual(Array.from({ length: 200 }, (_, i) => String(i)));
  });

  test('carries what the bytes were when they were sent', () => {
    const { world, a, b } = pair({});
    const bytes = Uint8Array.of(65);
    of(a).env.datagrams.send(b.address, bytes);
    bytes[0] = 66;
    world.runFor(100);
    expect(of(b).got[0]?.text).toBe('A');
  });

  test('has delays that follow the quantiles asked for', () => {
    const { world, a, b } = pair({ delay: { minMs: 1, medianMs: 2, p99Ms: 10, maxMs: 50 } });
    const delays: number[] = [];
    for (let i = 0; i < 2_000; i++) world.at(i * 100, () => of(a).send(b.address, ''));
    world.run({ untilMs: 300_000 });
    for (const { atMs } of of(b).got) delays.push(atMs % 100);
    const below = (ms: number): number => delays.filter((delay) => delay <= ms).length / delays.length;
    expect(delays.length).toBe(2_000);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(1);
    expect(Math.max(...delays)).toBeLessThanOrEqual(50);
    expect(Math.abs(below(2) - 0.5)).toBeLessThan(0.04);
    expect(Math.abs(below(10) - 0.99)).toBeLessThan(0.01);
  });

  test('a node reaches itself whatever the network does', () => {
    const { world, a } = pair({ loss: 1, blocked: true });
    of(a).send(a.address, 'me');
    world.runFor(10);
    expect(of(a).got.map(({ text }) => text)).toEqual(['me']);
  });
});

describe('a faulty link', () => {
  test('loses about as many as asked for', () => {
    const { world, a, b } = pair({ loss: 0.2 });
    chatter(world, a, b, 1_000);
    expect(of(b).got.length / 1_000).toBeCloseTo(0.8, 1);
    expect(a.traffic.dropped.loss).toBe(1_000 - of(b).got.length);
  });

  test('doubles some, and the second copy comes later', () => {
    const { world, a, b } = pair({ duplicate: 0.3 });
    chatter(world, a, b, 300);
    const extra = of(b).got.length - 300;
    expect(extra / 300).toBeCloseTo(0.3, 1);
    expect(new Set(of(b).got.map(({ text }) => text)).size).toBe(300);
  });

  test('lets some be overtaken, by no more than asked for', () => {
    const { world, a, b } = pair({ delay: 1, reorder: 0.2, reorderMsMax: 30 });
    chatter(world, a, b, 500);
    const late = of(b).got.filter(({ atMs, text }) => atMs - Number(text.slice(1)) > 1);
    expect(late.length / 500).toBeCloseTo(0.2, 1);
    for (const { atMs, text } of late) expect(atMs - Number(text.slice(1))).toBeLessThanOrEqual(31.001);
    expect(of(b).got.map(({ text }) => Number(text.slice(1)))).not.toEqual(Array.from({ length: 500 }, (_, i) => i));
  });

  test('flips one to eight bits and leaves the length alone', () => {
    const { world, a, b } = pair({ corrupt: 1 });
    const received: Uint8Array[] = [];
    of(b).env.datagrams.onReceive((_, bytes) => received.push(bytes));
    for (let i = 0; i < 200; i++) of(a).env.datagrams.send(b.address, new Uint8Array(64));
    world.runFor(1_000);
    const flips = received.map((bytes) => bytes.reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0));
    expect(received.every((bytes) => bytes.length === 64)).toBe(true);
    expect(Math.max(...flips)).toBeLessThanOrEqual(8);
    // A bit flipped twice is whole again, so a few may look untouched.
    expect(flips.filter((n) => n > 0).length).toBeGreaterThan(190);
    expect(world.network.totals().corrupted).toBe(200);
  });

  test('swallows what is larger than it carries', () => {
    const { world, a, b } = pair({ datagramBytesMax: 4 });
    of(a).send(b.address, 'four');
    of(a).send(b.address, 'fives');
    world.runFor(100);
    expect(of(b).got.map(({ text }) => text)).toEqual(['four']);
    expect(a.traffic.dropped['too-large']).toBe(1);
  });

  test('that is slow delays what queues up, and drops what the queue has no room for', () => {
    const { world, a, b } = pair({ delay: 0, bytesPerSecond: 1_000, queueBytesMax: 300 });
    for (let i = 0; i < 5; i++) of(a).send(b.address, 'x'.repeat(100));
    world.runFor(1_000);
    expect(of(b).got.map(({ atMs }) => Math.round(atMs))).toEqual([100, 200, 300]);
    expect(a.traffic.dropped.congested).toBe(2);
  });
});

describe('directions', () => {
  test.each<[string, LinkOptions]>([
    ['loss', { loss: 1 }],
    ['a block', { blocked: true }],
    ['a size limit', { datagramBytesMax: 1 }],
  ])('%s of one direction leaves the other alone', (_, link) => {
    const { world, a, b } = pair({});
    world.network.configure('a', 'b', link);
    chatter(world, a, b, 50);
    expect(of(b).got).toEqual([]);
    expect(of(a).got.length).toBe(50);
  });

  test('a one-way block stops one way until it is healed, and what is under way still arrives', () => {
    const { world, a, b } = pair({ delay: 10 });
    of(a).send(b.address, 'before');
    world.runFor(5);
    world.network.block(['a'], ['*']);
    of(a).send(b.address, 'during');
    of(b).send(a.address, 'back');
    world.runFor(50);
    world.network.heal();
    of(a).send(b.address, 'after');
    world.runFor(50);
    expect(of(b).got.map(({ text }) => text)).toEqual(['before', 'after']);
    expect(of(a).got.map(({ text }) => text)).toEqual(['back']);
    expect(a.traffic.dropped.blocked).toBe(1);
  });
});

describe('rules', () => {
  test('a later rule wins field by field, and heal takes away what disturbs but not what was configured', () => {
    const { world, a, b } = pair({});
    world.network.configure('*', '*', { delay: 3 });
    world.network.configure('a', 'b', { delay: 7 });
    world.network.disturb('*', 'b', { loss: 1 });
    of(a).send(b.address, 'lost');
    world.runFor(50);
    world.network.heal();
    of(a).send(b.address, 'kept');
    of(b).send(a.address, 'back');
    world.runFor(50);
    expect(of(b).got).toEqual([{ atMs: 57, from: 'a:7946', text: 'kept' }]);
    expect(of(a).got).toEqual([{ atMs: 53, from: 'b:7946', text: 'back' }]);
  });

  test('what disturbs a pair is replaced by what disturbs it next', () => {
    const { world, a, b } = pair({});
    world.network.disturb('a', 'b', { loss: 1 });
    world.network.disturb('a', 'b', {});
    of(a).send(b.address, 'through');
    world.runFor(50);
    expect(of(b).got.length).toBe(1);
  });

  test('an option that cannot be is refused where it is said, naming the field', () => {
    const { world } = pair({});
    expect(() => world.network.disturb('a', 'b', { loss: 1.5 })).toThrow(/option loss is a chance in \[0, 1\], not 1.5/);
    expect(() => world.network.configure('a', 'b', { delay: -1 })).toThrow(/option delay must have/);
    expect(() => world.network.configure('a', 'b', { bytesPerSecond: 0 })).toThrow(/option bytesPerSecond must be more than 0/);
    expect(() => world.network.configure('a', 'b', { lost: 0.5 } as LinkOptions)).toThrow(/option lost is not an option of a link/);
    expect(() => new SimWorld({ seed: 1, link: { corrupt: NaN } })).toThrow(/option corrupt/);
  });
});

describe('partitions', () => {
  function reach(groups: string[][]): string[] {
    const world = new SimWorld({ seed: 1 });
    const nodes = ['a', 'b', 'c', 'd'].map((id) => addProbe(world, id));
    world.network.partition(groups);
    for (const from of nodes) for (const to of nodes) if (from !== to) of(from).send(to.address, from.id);
    world.runFor(100);
    return nodes.map((node) => `${of(node).got.map(({ text }) => text).sort().join('')}>${node.id}`);
  }

  test('separate the groups both ways', () => {
    expect(reach([['a', 'b'], ['c', 'd']])).toEqual(['b>a', 'a>b', 'd>c', 'c>d']);
  });

  test('leave a node in two groups as a bridge', () => {
    expect(reach([['a', 'b'], ['b', 'c', 'd']])).toEqual(['b>a', 'acd>b', 'bd>c', 'bc>d']);
  });

  test('leave a node in no group all its links', () => {
    expect(reach([['a'], ['b', 'c']])).toEqual(['d>a', 'cd>b', 'bd>c', 'abc>d']);
  });
});

describe('addresses', () => {
  test('a packet to an address that nobody owns is lost as unreachable', () => {
    const { world, a } = pair({});
    of(a).send('nowhere:1', 'x');
    world.runFor(10);
    expect(a.traffic.dropped.unreachable).toBe(1);
  });

  test('a new node takes over the address of a dead one, and hears what is sent to it', () => {
    const { world, a, b } = pair({});
    b.kill();
    of(a).send('b:7946', 'for b');
    world.runFor(10);
    const c = addProbe(world, 'c', { address: 'b:7946' });
    of(a).send('b:7946', 'for whoever has it');
    world.runFor(10);
    expect(b.traffic.dropped.dead).toBe(1);
    expect(of(c).got.map(({ text }) => text)).toEqual(['for whoever has it']);
    expect([b.address, c.address, world.network.ownerOf('b:7946')]).toEqual(['', 'b:7946', 'c']);
  });

  test('a node that moves takes packets at its new address, and at the old one too until somebody else has that', () => {
    const { world, a, b } = pair({});
    world.network.move('b:8000', 'b');
    of(a).send('b:7946', 'old');
    of(a).send('b:8000', 'new');
    of(b).send(a.address, 'from where');
    world.runFor(10);
    expect(of(b).got.map(({ text }) => text)).toEqual(['old', 'new']);
    expect(of(a).got[0]?.from).toBe('b:8000');
  });

  test('what is under way when an address moves reaches the new owner', () => {
    const { world, a } = pair({ delay: 20 });
    const c = addProbe(world, 'c');
    of(a).send('b:7946', 'x');
    world.runFor(10);
    world.network.move('b:7946', 'c');
    world.runFor(20);
    expect(of(c).got.map(({ text }) => text)).toEqual(['x']);
    expect(() => world.network.move('b:7946', 'nobody')).toThrow(/no node is called nobody/);
  });

  test('a node that listens to nothing drops what it gets', () => {
    const world = new SimWorld({ seed: 1 });
    const a = addProbe(world, 'a');
    const deaf = world.addNode('deaf', () => ({}));
    of(a).send(deaf.address, 'x');
    world.runFor(10);
    expect(deaf.traffic.dropped['not-listening']).toBe(1);
  });
});
