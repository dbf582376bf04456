import { describe, expect, test } from 'vitest';
import { textOf } from '../../test/sim-probe.js';
import { utf8Encode } from '../index.js';
import { SimWorld, type LinkOptions, type SimEnv, type SimNode, type SimNodeOptions, type SimStream, type StreamHandlers } from './index.js';

interface Peer {
  readonly env: SimEnv;
  readonly log: string[];
  /** Streams accepted, in order. */
  readonly accepted: SimStream[];
}

/** A process that notes all that its streams tell it, and answers every `ping` with `pong`. */
function addPeer(world: SimWorld, id: string, options: SimNodeOptions & { readonly listens?: boolean } = {}): SimNode<Peer> {
  return world.addNode(id, (env) => {
    const peer: Peer = { env, log: [], accepted: [] };
    if (options.listens !== false) {
      env.streams.onAccept((stream, from) => {
        peer.accepted.push(stream);
        peer.log.push(`accepted ${from}`);
        return noting(peer.log, (text) => text === 'ping' && stream.write(utf8Encode('pong')));
      });
    }
    return peer;
  }, options);
}

function noting(log: string[], onText: (text: string) => void = () => {}): StreamHandlers {
  return {
    onOpen: () => log.push('open'),
    onData: (bytes) => {
      log.push(textOf(bytes));
      onText(textOf(bytes));
    },
    onEnd: () => log.push('end'),
    onDrain: () => log.push('drain'),
    onClosed: (why) => log.push(why),
  };
}

function pair(link: LinkOptions = {}, seed = 1) {
  const world = new SimWorld({ seed, link });
  const [a, b] = [addPeer(world, 'a'), addPeer(world, 'b')];
  const [pa, pb] = [of(a), of(b)];
  return { world, a, b, pa, pb, connect: (to = 'b:7946') => pa.env.streams.connect(to, noting(pa.log)) };
}

const of = (node: SimNode<Peer>): Peer => node.process as Peer;

describe('a sound connection', () => {
  test('carries a question and its answer, and ends when both ends are done', () => {
    const { world, pa, pb, connect } = pair({ delay: 10 });
    const stream = connect();
    expect(stream.write(utf8Encode('ping'))).toBe(true);
    world.runFor(100);
    stream.end();
    pb.accepted[0]?.end();
    world.runFor(100);
    expect(pa.log).toEqual(['open', 'pong', 'end', 'ended']);
    expect(pb.log).toEqual(['accepted a:7946', 'ping', 'end', 'ended']);
    expect([stream.open, stream.write(utf8Encode('late'))]).toEqual([false, false]);
  });

  test('keeps the order of many writes, lost segments and all', () => {
    const { world, pb, connect } = pair({ loss: 0.2 });
    const stream = connect();
    for (let i = 0; i < 100; i++) stream.write(utf8Encode(`${i},`));
    world.runFor(600_000);
    expect(pb.log.slice(1).join('')).toBe(Array.from({ length: 100 }, (_, i) => `${i},`).join(''));
  });

  test('one end may go on writing after the other has ended', () => {
    const { world, pa, pb, connect } = pair();
    const stream = connect();
    stream.end();
    world.runFor(100);
    pb.accepted[0]?.write(utf8Encode('more'));
    pb.accepted[0]?.end();
    world.runFor(100);
    expect(pa.log).toEqual(['open', 'more', 'end', 'ended']);
    expect(pb.log).toEqual(['accepted a:7946', 'end', 'ended']);
  });

  test('carries the bytes as they were when written', () => {
    const { world, pb, connect } = pair();
    const bytes = utf8Encode('A');
    connect().write(bytes);
    bytes[0] = 66;
    world.runFor(100);
    expect(pb.log).toEqual(['accepted a:7946', 'A']);
  });

  test('a node may connect to itself', () => {
    const { world, pa } = pair({ loss: 1 });
    pa.env.streams.connect('a:7946', {}).write(utf8Encode('ping'));
    world.runFor(100);
    expect(pa.log).toEqual(['accepted a:7946', 'ping']);
  });

  test('what is written is bounded; there is word when there is room again', () => {
    const { world, pa, connect } = pair({ streamBufferBytesMax: 10 });
    const stream = connect();
    expect([stream.write(new Uint8Array(8)), stream.write(new Uint8Array(3)), stream.unreadBytes]).toEqual([true, false, 8]);
    world.runFor(100);
    expect(pa.log).toEqual(['open', 'drain']);
    expect([stream.unreadBytes, stream.write(new Uint8Array(10))]).toEqual([0, true]);
  });

  test('bytes are counted on both sides', () => {
    const { world, a, b, connect } = pair();
    connect().write(utf8Encode('ping'));
    world.runFor(100);
    expect(a.traffic).toMatchObject({ streamsOpened: 1, streamBytesOut: 4, streamBytesIn: 4 });
    expect(b.traffic).toMatchObject({ streamsOpened: 0, streamBytesOut: 4, streamBytesIn: 4 });
  });
});

describe('connections that do not come about', () => {
  test('nobody listens: refused', () => {
    const world = new SimWorld({ seed: 1 });
    const pa = of(addPeer(world, 'a'));
    addPeer(world, 'b', { listens: false });
    pa.env.streams.connect('b:7946', noting(pa.log));
    world.runFor(100);
    expect(pa.log).toEqual(['refused']);
  });

  test('the process is dead: refused by its kernel; the power is off: silence until the time is up', () => {
    const { world, b, pa, connect } = pair({ streamTimeoutMs: 5_000 });
    b.kill();
    connect();
    world.runFor(100);
    expect(pa.log).toEqual(['refused']);
    b.restart();
    b.kill('power');
    connect();
    world.runFor(4_900);
    expect(pa.log).toEqual(['refused']);
    world.runFor(300);
    expect(pa.log).toEqual(['refused', 'timeout']);
  });

  test('nobody has the address: silence until the time is up, or until somebody has it', () => {
    const { world, pa, connect } = pair({ streamTimeoutMs: 5_000 });
    connect('nowhere:1');
    world.runFor(10_000);
    expect(pa.log).toEqual(['timeout']);
    connect('nowhere:1');
    world.network.move('nowhere:1', 'b');
    world.runFor(10_000);
    expect(pa.log).toEqual(['timeout', 'open']);
  });

  test('the link refuses, as often as it is told to', () => {
    const { world, pa, pb, connect } = pair({ streamRefuse: 1 });
    connect();
    world.runFor(100);
    expect([pa.log, pb.log]).toEqual([['refused'], []]);
  });

  test('more streams than the node may hold are refused', () => {
    const world = new SimWorld({ seed: 1 });
    const [pa, pb] = [of(addPeer(world, 'a', { streamsMax: 2 })), of(addPeer(world, 'b'))];
    for (let i = 0; i < 3; i++) pa.env.streams.connect('b:7946', noting(pa.log));
    world.runFor(100);
    expect(pa.log.toSorted()).toEqual(['open', 'open', 'refused']);
    expect(pb.accepted.length).toBe(2);
  });
});

describe('connections that break', () => {
  test('a reset reaches the other end, and what was under way is lost', () => {
    const { world, pa, pb, connect } = pair({ delay: 10 });
    const stream = connect();
    world.runFor(100);
    stream.reset();
    stream.reset();
    world.runFor(100);
    expect([pa.log, pb.log]).toEqual([['open', 'aborted'], ['accepted a:7946', 'reset']]);
  });

  test('a killed process resets its streams', () => {
    const { world, b, pa, connect } = pair();
    connect();
    world.runFor(100);
    b.kill();
    world.runFor(100);
    expect(pa.log).toEqual(['open', 'reset']);
  });

  test('a machine without power leaves its peers in the dark until they write and the time is up', () => {
    const { world, b, pa, connect } = pair({ streamTimeoutMs: 3_000 });
    const stream = connect();
    world.runFor(100);
    b.kill('power');
    world.runFor(60_000);
    expect([pa.log, stream.open]).toEqual([['open'], true]);
    stream.write(utf8Encode('anybody?'));
    world.runFor(3_100);
    expect(pa.log).toEqual(['open', 'timeout']);
  });

  test('a machine that comes back resets what it does not know', () => {
    const { world, b, pa, connect } = pair();
    const stream = connect();
    world.runFor(100);
    b.kill('power');
    b.restart();
    stream.write(utf8Encode('still there?'));
    world.runFor(100);
    expect(pa.log).toEqual(['open', 'reset']);
    expect(of(b).log).toEqual([]);
  });

  test('what is written into a partition arrives after it has healed, unless the time is up', () => {
    const { world, pa, pb, connect } = pair({ streamTimeoutMs: 30_000 });
    const stream = connect();
    world.runFor(100);
    world.network.partition([['a'], ['b']]);
    stream.write(utf8Encode('first'));
    stream.write(utf8Encode('second'));
    world.runFor(5_000);
    expect(pb.log).toEqual(['accepted a:7946']);
    world.network.heal();
    world.runFor(10_000);
    expect(pb.log).toEqual(['accepted a:7946', 'first', 'second']);
    world.network.block(['a'], ['b']);
    stream.write(utf8Encode('third'));
    world.runFor(31_000);
    expect(pa.log).toEqual(['open', 'timeout']);
  });

  test('a half-open connection opens and then carries nothing', () => {
    const { world, pa, pb, connect } = pair({ streamHang: 1, streamTimeoutMs: 2_000 });
    connect().write(utf8Encode('ping'));
    world.runFor(1_900);
    expect([pa.log, pb.log]).toEqual([['open'], ['accepted a:7946']]);
    world.runFor(300);
    expect(pa.log).toEqual(['open', 'timeout']);
  });

  test('a reset in the middle of a frame lets only a beginning through', () => {
    const { world, pa, pb, connect } = pair({ streamReset: 1 });
    connect().write(utf8Encode('a whole frame'));
    world.runFor(100);
    const beginning = pb.log.slice(1, -1).join('');
    expect('a whole frame'.startsWith(beginning) && beginning.length < 13).toBe(true);
    expect([pa.log.at(-1), pb.log.at(-1)]).toEqual(['reset', 'reset']);
  });

  test('a lost reply: the question arrives, the answer does not', () => {
    const { world, pa, pb, connect } = pair({ streamLoseReply: 1 });
    connect().write(utf8Encode('ping'));
    world.runFor(100);
    expect(pb.log).toEqual(['accepted a:7946', 'ping', 'reset']);
    expect(pa.log).toEqual(['open', 'reset']);
  });

  test('a paused node reads its streams when it runs again', () => {
    const { world, b, pb, connect } = pair();
    const stream = connect();
    world.runFor(100);
    b.pause(1_000);
    stream.write(utf8Encode('one'));
    stream.write(utf8Encode('two'));
    world.runFor(900);
    expect(pb.log).toEqual(['accepted a:7946']);
    world.runFor(200);
    expect(pb.log).toEqual(['accepted a:7946', 'one', 'two']);
  });

  test('a node killed before it has read a connection refuses or resets it', () => {
    const { world, b, pa, connect } = pair();
    b.pause(1_000);
    connect();
    world.runFor(100);
    b.kill();
    world.runFor(2_000);
    expect(pa.log).toEqual(['refused']);
  });

  test('word of a closed stream does not reach a process that was killed meanwhile', () => {
    const { world, a, pa, connect } = pair();
    const stream = connect();
    world.runFor(100);
    stream.reset();
    a.kill();
    world.runFor(100);
    a.restart();
    world.runFor(100);
    expect([pa.log, of(a).log]).toEqual([['open'], []]);
  });

  test('nothing is told to the streams of a killed process', () => {
    const { world, a, pa, pb, connect } = pair({ delay: 10 });
    connect().write(utf8Encode('ping'));
    world.runFor(35);
    a.kill();
    world.runFor(1_000);
    expect(pa.log).toEqual(['open']);
    expect(pb.log).toEqual(['accepted a:7946', 'ping', 'reset']);
  });
});
