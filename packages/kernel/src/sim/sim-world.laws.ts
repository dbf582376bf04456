import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Driver, plusMs, type Core, type Instant, type Random, type Wake } from '../index.js';
import { applyFaults, dropReasons, SimWorld, type FaultAction, type LinkOptions, type SimWorldOptions } from './index.js';

interface Received {
  readonly kind: 'received';
  readonly from: string;
  readonly bytes: Uint8Array;
}

interface Send {
  readonly to: string;
  readonly bytes: Uint8Array;
}

/** Sends to somebody every few milliseconds and answers what it is sent: enough traffic for everything to go wrong. */
class Chatter implements Core<Received, Send> {
  readonly #random: Random;
  readonly #peers: readonly string[];
  #due: Instant;

  constructor(random: Random, peers: readonly string[], start: Instant) {
    this.#random = random;
    this.#peers = peers;
    this.#due = plusMs(start, random.below(20));
  }

  handle(event: Received | Wake, now: Instant): readonly Send[] {
    if (event.kind === 'received') return event.bytes[0] === 0 ? [{ to: event.from, bytes: Uint8Array.of(1) }] : [];
    if (now < this.#due) return [];
    this.#due = plusMs(now, 1 + this.#random.below(20));
    return [{ to: this.#random.pick(this.#peers), bytes: Uint8Array.of(0, this.#random.below(256)) }];
  }

  nextWake(): Instant {
    return this.#due;
  }
}

const ids = ['a', 'b', 'c', 'd'] as const;

function chattering(options: SimWorldOptions, nodes: readonly string[] = ids): SimWorld {
  const world = new SimWorld(options);
  const peers = nodes.map((id) => `${id}:7946`);
  for (const id of nodes) {
    world.addNode(id, (env) => {
      const driver = new Driver(new Chatter(env.random, peers, env.clock.now()), env.clock, ({ to, bytes }: Send) => env.datagrams.send(to, bytes));
      env.datagrams.onReceive((from, bytes) => driver.dispatch({ kind: 'received', from, bytes }));
      const stream = env.streams.connect(peers[0] as string, {});
      stream.write(Uint8Array.of(1, 2, 3));
      env.streams.onAccept((accepted) => ({ onData: (bytes) => accepted.write(bytes) }));
      return {};
    });
  }
  return world;
}

const chance = fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100);

const link: fc.Arbitrary<LinkOptions> = fc.record(
  {
    loss: chance,
    duplicate: chance,
    reorder: chance,
    corrupt: chance,
    blocked: fc.boolean(),
    delay: fc.integer({ min: 0, max: 200 }),
    datagramBytesMax: fc.integer({ min: 1, max: 3 }),
    bytesPerSecond: fc.integer({ min: 10, max: 1_000 }),
    queueBytesMax: fc.integer({ min: 1, max: 100 }),
    streamRefuse: chance,
    streamHang: chance,
    streamReset: chance,
    streamLoseReply: chance,
  },
  { requiredKeys: [] },
);

const node = fc.constantFrom(...ids);
const atMs = fc.integer({ min: 0, max: 1_000 });

/** Any schedule at all: fast-check takes actions out one by one when it looks for the smallest that fails. */
const schedule: fc.Arbitrary<FaultAction[]> = fc.array(
  fc.oneof(
    fc.record({ atMs, kind: fc.constant('kill' as const), node, how: fc.constantFrom('process' as const, 'power' as const) }),
    fc.record({ atMs, kind: fc.constant('restart' as const), node, storage: fc.constantFrom('kept' as const, 'lost' as const) }),
    fc.record({ atMs, kind: fc.constant('pause' as const), node, forMs: fc.integer({ min: 0, max: 500 }) }),
    fc.record({ atMs, kind: fc.constant('drift' as const), node, ppm: fc.integer({ min: -100_000, max: 100_000 }) }),
    fc.record({ atMs, kind: fc.constant('jump-wall-clock' as const), node, byMs: fc.integer() }),
    fc.record({ atMs, kind: fc.constant('partition' as const), groups: fc.array(fc.array(node, { maxLength: 3 }), { maxLength: 3 }) }),
    fc.record({ atMs, kind: fc.constant('block' as const), from: fc.array(node, { maxLength: 2 }), to: fc.array(node, { maxLength: 2 }) }),
    fc.record({ atMs, kind: fc.constant('disturb' as const), from: fc.oneof(node, fc.constant('*')), to: node, link }),
    fc.record({ atMs, kind: fc.constant('heal' as const) }),
    fc.record({ atMs, kind: fc.constant('move-address' as const), address: node.map((id) => `${id}:7946`), to: node }),
  ),
  { maxLength: 20 },
);

describe('replay', () => {
  test('one seed gives one hash, whatever goes wrong; a schedule survives being stored as JSON', () => {
    fc.assert(
      fc.property(fc.integer(), link, schedule, (seed, defaults, faults) => {
        const hashOf = (actions: readonly FaultAction[]): string => {
          const world = chattering({ seed, link: defaults });
          applyFaults(world, actions);
          world.run({ untilMs: 1_200 });
          return `${world.events} ${world.hash()}`;
        };
        expect(hashOf(JSON.parse(JSON.stringify(faults)) as FaultAction[])).toBe(hashOf(faults));
      }),
      { numRuns: 60 },
    );
  });

  test('other seeds take other courses', () => {
    const hashes = new Set(Array.from({ length: 200 }, (_, seed) => {
      const world = chattering({ seed });
      world.run({ untilMs: 100 });
      return world.hash();
    }));
    expect(hashes.size).toBe(200);
  });

  test('recording and a transcript change nothing', () => {
    fc.assert(
      fc.property(fc.integer(), schedule, (seed, faults) => {
        const hashOf = (options: Partial<SimWorldOptions>): string => {
          const world = chattering({ seed, link: { loss: 0.1 }, ...options });
          applyFaults(world, faults);
          world.run({ untilMs: 500 });
          return world.hash();
        };
        expect(hashOf({ record: true, transcript: {} })).toBe(hashOf({}));
      }),
      { numRuns: 30 },
    );
  });
});

describe('simultaneous events', () => {
  const orderWith = (tieSeed: number): string => {
    const world = new SimWorld({ seed: 1, tieSeed });
    const order: number[] = [];
    for (let i = 0; i < 8; i++) world.at(10, () => order.push(i));
    world.run({});
    expect(order.toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    return order.join('');
  };

  test('are permuted by the tie seed and by nothing else', () => {
    fc.assert(fc.property(fc.integer(), (tieSeed) => orderWith(tieSeed) === orderWith(tieSeed)), { numRuns: 50 });
    expect(new Set(Array.from({ length: 100 }, (_, tieSeed) => orderWith(tieSeed))).size).toBeGreaterThan(95);
  });

  test('another tie seed leaves every random stream as it is', () => {
    const drawn = (tieSeed: number): number[] => {
      const world = new SimWorld({ seed: 1, tieSeed });
      return ['workload', 'nemesis'].map((name) => world.random(name).uint32());
    };
    expect(drawn(1)).toEqual(drawn(2));
  });
});

describe('random streams', () => {
  test('draws added to one stream never shift what another draws, nor what the world does', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 50 }), (seed, extra) => {
        const outcome = (draws: number): unknown => {
          const world = chattering({ seed, link: { loss: 0.2, duplicate: 0.1 } });
          world.at(50, () => {
            for (let i = 0; i < draws; i++) world.random('somebody').uint32();
          });
          world.run({ untilMs: 300 });
          return [world.hash(), world.random('nemesis').uint32()];
        };
        expect(outcome(extra)).toEqual(outcome(0));
      }),
      { numRuns: 30 },
    );
  });

  test('a node that is added shifts no draw of the links and nodes that were there', () => {
    const draws = (nodes: readonly string[]): unknown[] => {
      const world = new SimWorld({ seed: 9 });
      for (const id of nodes) world.addNode(id, (env) => ({ drawn: env.random.uint32() }));
      const streams = ['link/a>b', 'link/b>a', 'disk/a'].map((name) => world.random(name).uint32());
      return [...streams, world.node<{ drawn: number }>('a').process?.drawn];
    };
    expect(draws(['z', 'a', 'b'])).toEqual(draws(['a', 'b']));
  });

  test('changing one chance leaves the fate of all other packets alone', () => {
    // The same packets are lost with duplication on and off: each packet draws the same words in either case.
    const lost = (duplicate: number): string[] => {
      const world = new SimWorld({ seed: 3, link: { loss: 0.3, duplicate } });
      const got = new Set<string>();
      world.addNode('b', (env) => {
        env.datagrams.onReceive((_, bytes) => got.add(String(bytes[0])));
        return {};
      });
      world.addNode('a', (env) => {
        for (let i = 0; i < 200; i++) env.datagrams.send('b:7946', Uint8Array.of(i));
        return {};
      });
      world.run({ untilMs: 1_000 });
      return [...got].toSorted();
    };
    expect(lost(0.5)).toEqual(lost(0));
  });
});

describe('accounts', () => {
  test('every datagram is accounted for at every step: sent + duplicated = delivered + dropped + in flight', () => {
    fc.assert(
      fc.property(fc.integer(), link, schedule, (seed, defaults, faults) => {
        const world = chattering({ seed, link: defaults });
        applyFaults(world, faults);
        world.onStep(() => {
          const { sent, duplicated, delivered, inFlight, dropped } = world.network.totals();
          const gone = dropReasons.reduce((sum, reason) => sum + dropped[reason], 0);
          expect(inFlight).toBeGreaterThanOrEqual(0);
          if (sent + duplicated !== delivered + gone + inFlight) throw new Error('the sums differ');
        });
        world.run({ untilMs: 600 });
        const { sent, delivered, dropped } = world.network.totals();
        const sums = { sent: 0, delivered: 0, gone: 0 };
        for (const { traffic } of world.nodes) {
          sums.sent += traffic.packetsOut;
          sums.delivered += traffic.packetsIn;
          for (const reason of dropReasons) sums.gone += traffic.dropped[reason];
        }
        expect(sums).toEqual({ sent, delivered, gone: dropReasons.reduce((sum, reason) => sum + dropped[reason], 0) });
      }),
      { numRuns: 40 },
    );
  });

  test('once all is quiet nothing is in flight any more', () => {
    fc.assert(
      fc.property(fc.integer(), link, schedule, (seed, defaults, faults) => {
        const world = chattering({ seed, link: defaults });
        applyFaults(world, faults);
        world.at(1_000, () => {
          for (const node of world.nodes) node.kill();
        });
        applyFaults(world, [{ atMs: 1_000, kind: 'heal' }]);
        world.run({ untilMs: 2_000_000 });
        for (const node of world.nodes) node.kill();
        expect(world.run({}).reason).toBe('idle');
        expect(world.network.totals().inFlight).toBe(0);
      }),
      { numRuns: 30 },
    );
  });
});

test('code of a killed node never runs, whenever it is killed and in whatever way', () => {
  fc.assert(
    fc.property(fc.integer(), schedule, (seed, faults) => {
      const world = new SimWorld({ seed, link: { duplicate: 0.2 } });
      const living = new Map<string, number>();
      for (const id of ids) {
        world.addNode(id, (env) => {
          living.set(id, env.life);
          // Every way in which code of a node can run notes whether it may.
          const mine = (): void => {
            if (!world.node(id).alive || world.node(id).lives !== env.life) throw new Error(`life ${env.life} of ${id} runs after its end`);
          };
          const tick = (): void => {
            mine();
            const to = `${env.random.pick(ids)}:7946`;
            env.datagrams.send(to, Uint8Array.of(7));
            if (env.random.chance(0.2)) env.streams.connect(to, { onOpen: mine, onData: mine, onEnd: mine, onDrain: mine, onClosed: mine }).write(Uint8Array.of(1));
            env.clock.schedule(plusMs(env.clock.now(), 1 + env.random.below(20)), tick);
          };
          tick();
          env.datagrams.onReceive(mine);
          env.streams.onAccept((stream) => {
            mine();
            stream.write(Uint8Array.of(2));
            return { onData: mine, onEnd: mine, onDrain: mine, onClosed: mine };
          });
          return {};
        });
      }
      applyFaults(world, faults);
      world.run({ untilMs: 1_200 });
      expect(living.size).toBe(4);
    }),
    { numRuns: 60 },
  );
});

test('a fault of one direction changes nothing about the other', () => {
  fc.assert(
    fc.property(fc.integer(), link, (seed, bad) => {
      // Both ends only send, so what b gets can depend on a's direction alone.
      const arrivals = (spoilt: boolean): string[] => {
        const world = new SimWorld({ seed, link: { loss: 0.1, duplicate: 0.1, reorder: 0.1 } });
        const seen: string[] = [];
        for (const [id, peer] of [['a', 'b'], ['b', 'a']] as const) {
          world.addNode(id, (env) => {
            env.datagrams.onReceive((_, bytes) => id === 'b' && seen.push(`${world.now} ${bytes[0]}`));
            for (let i = 0; i < 50; i++) env.clock.schedule(plusMs(env.clock.now(), 1 + i), () => env.datagrams.send(`${peer}:7946`, Uint8Array.of(i)));
            return {};
          });
        }
        if (spoilt) world.network.disturb('b', 'a', bad);
        world.run({ untilMs: 1_000 });
        return seen;
      };
      expect(arrivals(true)).toEqual(arrivals(false));
    }),
    { numRuns: 50 },
  );
});
