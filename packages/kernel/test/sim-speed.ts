/**
 * How many events a second the simulated world handles, with a core that does next to nothing: every node sends 100 bytes
 * to a random node each period and is sent them back. One core of the machine is used.
 *
 *     npx tsx --conditions=@engram/source packages/kernel/test/sim-speed.ts
 */
import { Driver, plusMs, type Core, type Instant, type Random, type Wake } from '../src/index.js';
import { SimWorld } from '../src/sim/index.js';

interface Received {
  readonly kind: 'received';
  readonly from: string;
  readonly bytes: Uint8Array;
}

interface Send {
  readonly to: string;
  readonly bytes: Uint8Array;
}

class Echo implements Core<Received, Send> {
  readonly #random: Random;
  readonly #peers: readonly string[];
  readonly #periodMs: number;
  #due: Instant;

  constructor(random: Random, peers: readonly string[], periodMs: number, start: Instant) {
    this.#random = random;
    this.#peers = peers;
    this.#periodMs = periodMs;
    this.#due = plusMs(start, random.below(1_000));
  }

  handle(event: Received | Wake, now: Instant): readonly Send[] {
    if (event.kind === 'received') return event.bytes[0] === 0 ? [{ to: event.from, bytes: new Uint8Array(100).fill(1) }] : [];
    if (now < this.#due) return [];
    this.#due = plusMs(this.#due, this.#periodMs);
    return [{ to: this.#random.pick(this.#peers), bytes: new Uint8Array(100) }];
  }

  nextWake(): Instant {
    return this.#due;
  }
}

function measure(nodes: number, periodMs: number, seconds: number): void {
  const started = performance.now();
  const world = new SimWorld({ seed: 7 });
  const peers = Array.from({ length: nodes }, (_, i) => `n${i}:7946`);
  for (let i = 0; i < nodes; i++) {
    world.addNode(`n${i}`, (env) => {
      const driver = new Driver(new Echo(env.random, peers, periodMs, env.clock.now()), env.clock, ({ to, bytes }: Send) => env.datagrams.send(to, bytes));
      env.datagrams.onReceive((from, bytes) => driver.dispatch({ kind: 'received', from, bytes }));
      return { driver };
    });
  }
  const { events } = world.run({ untilMs: seconds * 1_000 });
  const took = (performance.now() - started) / 1_000;
  const rate = Math.round(events / took).toLocaleString('en');
  console.log(`${nodes} nodes, ${seconds} s of virtual time: ${events.toLocaleString('en')} events in ${took.toFixed(2)} s, ${rate} a second`);
}

measure(5, 10, 120);
measure(100, 100, 60);
measure(1_000, 200, 60);
