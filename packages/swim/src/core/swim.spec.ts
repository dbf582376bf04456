import { describe, expect, test } from 'vitest';
import { instant, OptionsError, parseClusterId, plusMs, Random, wake } from '@engram/kernel';
import { addressOf, Bench, claim, cluster, epochOfTests, header, id, identity, kindsOf, packetBytes, packetOf, readable, said } from '../../test/swim-fixtures.js';
import { packetHeader, encodePacket } from './codec.js';
import { epochStepMax, incarnationMax, type Address } from './member.js';
import type { SwimEffect } from './messages.js';
import { SwimCore } from './swim.js';

const others = ['b', 'c', 'd', 'e', 'f'];
/** Gossip sends news of its own; these tests look at what a probe does. */
const quiet = { gossipMs: 1_000_000 };
const changes = (effects: readonly SwimEffect[]): string[] => effects.flatMap((effect) => ('member' in effect && typeof effect.member === 'object' ? [`${effect.kind} ${effect.member.id}`] : []));

function nextPing(bench: Bench) {
  for (let i = 0; i < 20; i++) {
    const [ping] = said(bench.runMs(100), 'ping');
    if (ping) return ping;
  }
  throw new Error('no ping within two periods');
}

describe('joining', () => {
  test('without seeds is done at once', () => {
    expect(new Bench().give({ kind: 'join', request: 5 })).toEqual([{ kind: 'join-finished', request: 5, contacted: [], failed: [] }]);
  });

  test('before it, nothing is heard and nothing is due', () => {
    const bench = new Bench();
    expect(bench.datagram(identity('b'), claim('b'))).toEqual([{ kind: 'rejected', reason: 'not-joined', from: addressOf('b') }]);
    expect(bench.core.nextWake()).toBeUndefined();
  });

  test('compares views with each seed by stream and tells how it went', () => {
    const bench = new Bench();
    bench.give({ kind: 'seeds-resolved', addresses: [addressOf('b'), addressOf('c'), addressOf('a')] });
    const opened = readable(bench.give({ kind: 'join', request: 5 }));
    expect(opened.map(({ kind, to }) => [kind, to]).sort()).toEqual([['open-stream', addressOf('b')], ['open-stream', addressOf('c')]]);
    expect(opened[0]).toMatchObject({ says: [claim('a'), { kind: 'sync-buckets' }] });
    const toB = opened.find(({ to }) => to === addressOf('b'))?.stream as number;
    const toC = opened.find(({ to }) => to === addressOf('c'))?.stream as number;
    expect(bench.give({ kind: 'stream-closed', stream: toC, reason: 'refused' })).toEqual([]);
    const digest = { kind: 'sync-digest' as const, buckets: [], entries: [{ ...identity('b'), state: 'alive' as const, metadataVersion: 0 }, { ...identity('d'), state: 'alive' as const, metadataVersion: 0 }], more: false };
    const wants = bench.frame(toB, identity('b'), claim('b'), digest);
    expect(readable(wants)).toMatchObject([{ kind: 'member-joined', member: { id: 'b' } }, { kind: 'send-stream', stream: toB, says: [{ kind: 'sync-wants', ids: ['d'] }] }]);
    expect(kindsOf(bench.frame(toB, identity('b'), claim('d'), { kind: 'sync-done' }))).toEqual(['member-joined', 'close-stream', 'join-finished']);
    expect(bench.states()).toEqual({ a: 'alive', b: 'alive', d: 'alive' });
  });

  test('a seed that does not answer in time has failed', () => {
    const bench = new Bench({ streamTimeoutMs: 700 });
    bench.give({ kind: 'seeds-resolved', addresses: [addressOf('b')] });
    bench.give({ kind: 'join', request: 5 });
    expect(bench.runMs(700).filter(({ kind }) => kind === 'join-finished')).toEqual([{ kind: 'join-finished', request: 5, contacted: [], failed: [{ address: addressOf('b'), reason: 'no answer within 700 ms' }] }]);
  });

  test('a seed at which the node itself answers, under another spelling of its address, is nobody met', () => {
    const bench = new Bench();
    bench.give({ kind: 'seeds-resolved', addresses: [addressOf('a-too')] });
    bench.give({ kind: 'join', request: 5 });
    const digest = { kind: 'sync-digest' as const, buckets: [], entries: [], more: false };
    expect(bench.frame(1, identity('a'), claim('a'), digest)).toEqual([{ kind: 'close-stream', stream: 1 }, { kind: 'join-finished', request: 5, contacted: [], failed: [] }]);
    expect(bench.states()).toEqual({ a: 'alive' });
  });

  test('a seed at which another process runs under the name of the node has failed', () => {
    const bench = new Bench();
    bench.give({ kind: 'seeds-resolved', addresses: [addressOf('b')] });
    bench.give({ kind: 'join', request: 5 });
    const digest = { kind: 'sync-digest' as const, buckets: [], entries: [], more: false };
    expect(bench.frame(1, identity('a', 0, epochOfTests - 1), digest)).toContainEqual({ kind: 'join-finished', request: 5, contacted: [], failed: [{ address: addressOf('b'), reason: 'another process runs there under the name of this node' }] });
  });

  test('a seed of another cluster says so by its header alone, and the join fails for that reason', () => {
    const seed = Bench.joined([]);
    const stranger = encodePacket(packetHeader(parseClusterId('other')), { from: identity('x'), messages: [] });
    const answer = seed.give({ kind: 'stream-received', stream: -1, from: addressOf('x'), bytes: stranger });
    expect(answer).toEqual([{ kind: 'rejected', reason: 'other-cluster', from: addressOf('x') }, { kind: 'send-stream', stream: -1, bytes: header }, { kind: 'close-stream', stream: -1 }]);

    const joining = new SwimCore({ cluster: parseClusterId('other'), id: id('x'), address: addressOf('x'), epoch: 1 }, Random.fromSeed(1));
    joining.handle({ kind: 'seeds-resolved', addresses: [addressOf('a')] }, instant(0));
    joining.handle({ kind: 'join', request: 1 }, instant(0));
    expect(joining.handle({ kind: 'stream-received', stream: 1, from: addressOf('a'), bytes: header }, instant(0))).toContainEqual({ kind: 'join-finished', request: 1, contacted: [], failed: [{ address: addressOf('a'), reason: 'other-cluster' }] });
  });
});

describe('a probe', () => {
  test('asks one member per period, each once a round', () => {
    const bench = Bench.joined(others, quiet);
    const targets: string[] = [];
    bench.runMs(10_000, (effect) => {
      for (const { message } of said([effect], 'ping')) {
        targets.push(message.target);
        bench.datagram(identity(message.target), { kind: 'ack', seq: message.seq, stranger: false });
      }
    });
    expect(targets.slice(0, 5).sort()).toEqual(others);
    expect(targets.slice(5, 10).sort()).toEqual(others);
  });

  test('that is answered in time is over, and its member has proved its address', () => {
    const bench = Bench.joined(['b'], quiet);
    const { message } = nextPing(bench);
    expect(bench.datagram(identity('b'), { kind: 'ack', seq: message.seq, stranger: false })).toMatchObject([{ kind: 'probe-finished', member: 'b', outcome: 'acked' }]);
    expect(said(bench.runMs(600), 'ping-req')).toEqual([]);
  });

  test('without an answer goes through three others, and by stream at the same time', () => {
    const bench = Bench.joined(others, quiet);
    const { message: { target, seq } } = nextPing(bench);
    const help = bench.runMs(500);
    expect(said(help, 'ping-req').map(({ message }) => message)).toEqual(said(help, 'ping-req').map(({ message }) => ({ kind: 'ping-req', seq, relay: message.relay, target })));
    expect(new Set(said(help, 'ping-req').map(({ message }) => message.relay)).size).toBe(3);
    expect(said(help, 'ping-req').every(({ message, to }) => message.relay !== target && to === addressOf(message.relay))).toBe(true);
    expect(readable(help).filter(({ kind }) => kind === 'open-stream')).toMatchObject([{ to: addressOf(target), says: [{ kind: 'ping', seq, target }] }]);
  });

  test('is saved by one relay', () => {
    const bench = Bench.joined(others, quiet);
    const { message: { target, seq } } = nextPing(bench);
    const [relayed] = said(bench.runMs(500), 'ping-req');
    expect(bench.datagram(identity(relayed?.message.relay as string), { kind: 'ack', seq, stranger: false })).toMatchObject([{ kind: 'probe-finished', member: target, outcome: 'acked-by-relay' }]);
    expect(changes(bench.runMs(600))).toEqual([]);
  });

  test('is saved by the stream', () => {
    const bench = Bench.joined(others, quiet);
    const { message: { target, seq } } = nextPing(bench);
    bench.runMs(500);
    expect(bench.frame(1, identity(target), { kind: 'ack', seq, stranger: false })).toMatchObject([{ kind: 'close-stream', stream: 1 }, { kind: 'probe-finished', member: target, outcome: 'acked-by-stream' }]);
  });

  test('that nobody answers turns into suspicion when the period ends, and everybody hears', () => {
    const bench = Bench.joined(others, { ...quiet, gossipMs: 200 });
    const { message: { target } } = nextPing(bench);
    const after = bench.runMs(1_300);
    expect(changes(after)).toEqual([`member-suspect ${target}`]);
    expect(said(after, 'claim').map(({ message }) => message)).toContainEqual(claim(target, 'suspect', { by: id('a') }));
  });

  test('an ack with another number, or from somebody else, counts for nothing', () => {
    const bench = Bench.joined(others, quiet);
    const { message: { target, seq } } = nextPing(bench);
    const stranger = others.find((name) => name !== target) as string;
    expect(bench.datagram(identity(target), { kind: 'ack', seq: (seq ^ 1) >>> 0, stranger: false })).toEqual([]);
    expect(bench.datagram(identity(stranger), { kind: 'ack', seq, stranger: false })).toEqual([]);
  });

  test('with streams turned off leaves them alone', () => {
    const bench = Bench.joined(others, { ...quiet, streamProbes: false });
    nextPing(bench);
    expect(kindsOf(bench.runMs(500))).not.toContain('open-stream');
  });
});

describe('somebody else\'s probe', () => {
  const ping = (seq: number, target = 'a') => ({ kind: 'ping' as const, seq, target: id(target), view: 0 });

  test('is answered, by datagram and by stream', () => {
    const bench = Bench.joined(['b'], quiet);
    expect(said(bench.datagram(identity('b'), ping(9)), 'ack')).toEqual([{ to: addressOf('b'), message: { kind: 'ack', seq: 9, stranger: false } }]);
    expect(readable(bench.frame(-1, identity('b'), ping(9)))).toEqual([{ kind: 'send-stream', stream: -1, says: [{ kind: 'ack', seq: 9, stranger: false }] }]);
  });

  test('that means another member is not answered: the address was reused', () => {
    const bench = Bench.joined(['b'], quiet);
    expect(bench.datagram(identity('b'), ping(9, 'q'))).toEqual([{ kind: 'rejected', reason: 'misdirected', from: addressOf('b') }]);
  });

  test('by somebody we do not hold alive says so, and who hears it compares views', () => {
    const bench = Bench.joined(['b'], quiet);
    expect(said(bench.datagram(identity('stranger'), ping(9)), 'ack')).toMatchObject([{ message: { stranger: true } }]);
    const { message } = nextPing(bench);
    expect(readable(bench.datagram(identity('b'), { kind: 'ack', seq: message.seq, stranger: true }))).toMatchObject([{ kind: 'probe-finished' }, { kind: 'open-stream', to: addressOf('b'), says: [claim('a'), { kind: 'sync-buckets' }] }]);
  });

  test('by a suspect is answered with the accusation', () => {
    const bench = Bench.joined(others, quiet);
    bench.datagram(identity('c'), claim('b', 'suspect'));
    const padded = [ping(9), claim('c'), claim('d'), claim('e')];
    expect(said(bench.datagram(identity('b'), ...padded), 'claim').map(({ message }) => message)).toContainEqual(claim('b', 'suspect'));
  });

  test('through us is passed on, and the answer too', () => {
    const bench = Bench.joined(['b', 'c'], quiet);
    const [passed] = said(bench.datagram(identity('b'), { kind: 'ping-req', seq: 7, relay: id('a'), target: id('c') }), 'ping');
    expect(passed).toMatchObject({ to: addressOf('c'), message: { target: 'c' } });
    expect(passed?.message.seq).not.toBe(7);
    expect(said(bench.datagram(identity('c'), { kind: 'ack', seq: passed?.message.seq as number, stranger: false }), 'ack')).toEqual([{ to: addressOf('b'), message: { kind: 'ack', seq: 7, stranger: false } }]);
  });

  test('through us without an answer is told so at four fifths of the timeout, and a late answer is still passed on', () => {
    const bench = Bench.joined(['b', 'c'], { ...quiet, periodMs: 100_000, timeoutMs: 500 });
    const [passed] = said(bench.datagram(identity('b'), { kind: 'ping-req', seq: 7, relay: id('a'), target: id('c') }), 'ping');
    expect(said(bench.runMs(399), 'nack')).toEqual([]);
    expect(said(bench.runMs(1), 'nack')).toEqual([{ to: addressOf('b'), message: { kind: 'nack', seq: 7 } }]);
    expect(said(bench.datagram(identity('c'), { kind: 'ack', seq: passed?.message.seq as number, stranger: false }), 'ack')).toHaveLength(1);
  });

  test('through us to somebody unknown is ignored, so nobody makes us write to addresses of their choice', () => {
    expect(Bench.joined(['b'], quiet).datagram(identity('b'), { kind: 'ping-req', seq: 7, relay: id('a'), target: id('victim') })).toEqual([]);
  });

  test('no more than relaysMax probes are carried at one time', () => {
    const bench = Bench.joined(['b', 'c'], { ...quiet, relaysMax: 3 });
    const passed = Array.from({ length: 9 }, (_, seq) => said(bench.datagram(identity('b'), { kind: 'ping-req', seq, relay: id('a'), target: id('c') }), 'ping').length);
    expect(passed).toEqual([1, 1, 1, 0, 0, 0, 0, 0, 0]);
  });
});

describe('an address that has not proved itself', () => {
  const ping = (target: string) => ({ kind: 'ping' as const, seq: 1, target: id(target), view: 0 });

  test('gets no more bytes than it sent, however much news there is', () => {
    const bench = Bench.joined(Array.from({ length: 30 }, (_, i) => `m${i}`), quiet);
    const question = packetBytes(identity('stranger'), ping('a'));
    for (const effect of bench.give({ kind: 'datagram-received', from: '9.9.9.9:9' as Address, bytes: question })) {
      expect(effect.kind === 'send-datagram' && effect.bytes.length).toBeLessThanOrEqual(question.length);
    }
  });

  test('gets nothing when even the answer is larger than the question', () => {
    const long = 'a'.repeat(64);
    const core = new SwimCore({ cluster, id: id(long), address: addressOf('a'), epoch: 2 ** 40 }, Random.fromSeed(1));
    core.handle({ kind: 'join', request: 1 }, instant(0));
    const question = packetBytes({ id: id('s'), epoch: 1, incarnation: 0 }, { kind: 'ping', seq: 1, target: id(long), view: 0 });
    const effects = core.handle({ kind: 'datagram-received', from: '9.9.9.9:9' as Address, bytes: question }, instant(0));
    for (const effect of effects) expect(effect.kind === 'send-datagram' && effect.bytes.length).toBeLessThanOrEqual(question.length);
    const tiny = packetBytes({ id: id('s'), epoch: 1, incarnation: 0 }, { kind: 'ping-req', seq: 1, relay: id(long), target: id('s') });
    expect(core.handle({ kind: 'datagram-received', from: '9.9.9.9:9' as Address, bytes: tiny }, instant(0))).toEqual([]);
  });

  test('that answers a probe of ours gets news with the answer from then on', () => {
    const bench = Bench.joined(Array.from({ length: 30 }, (_, i) => `m${i}`), quiet);
    const { message: { target, seq } } = nextPing(bench);
    bench.datagram(identity(target), { kind: 'ack', seq, stranger: false });
    bench.datagram(identity(target), claim('fresh', 'dead'), claim('news', 'left'));
    expect(said(bench.datagram(identity(target), ping('a')), 'claim').length).toBeGreaterThan(1);
    const spoofed = bench.give({ kind: 'datagram-received', from: '9.9.9.9:9' as Address, bytes: packetBytes(identity(target), ping('a')) });
    expect(said(spoofed, 'claim')).toEqual([]);
  });
});

describe('suspicion', () => {
  test('without confirmations lasts six times the shortest', () => {
    const bench = Bench.joined(others, { ...quiet, periodMs: 1_000 });
    bench.datagram(identity('c'), claim('b', 'suspect'));
    expect(changes(bench.runWellMs(23_999))).toEqual([]);
    expect(changes(bench.runWellMs(1))).toEqual(['member-dead b']);
  });

  test('with two confirmations lasts the shortest time', () => {
    const bench = Bench.joined(others, quiet);
    for (const by of ['c', 'd', 'e']) bench.datagram(identity(by), claim('b', 'suspect', { by: id(by) }));
    expect(changes(bench.runWellMs(3_999, ['b']))).toEqual([]);
    expect(changes(bench.runWellMs(1, ['b']))).toEqual(['member-dead b']);
  });

  test('repeated by one accuser confirms nothing', () => {
    const bench = Bench.joined(others, quiet);
    for (let i = 0; i < 5; i++) bench.datagram(identity('c'), claim('b', 'suspect', { by: id('c') }));
    expect(changes(bench.runWellMs(20_000))).toEqual([]);
  });

  test('is over when its member refutes with a higher incarnation', () => {
    const bench = Bench.joined(others, quiet);
    bench.datagram(identity('c'), claim('b', 'suspect'));
    expect(changes(bench.datagram(identity('b', 1), claim('b', 'alive', { incarnation: 1 })))).toEqual(['member-recovered b']);
    expect(changes(bench.runWellMs(60_000))).toEqual([]);
  });

  test('is not over because somebody repeats the incarnation that is suspected', () => {
    const bench = Bench.joined(others, quiet);
    bench.datagram(identity('c'), claim('b', 'suspect'));
    bench.datagram(identity('d'), claim('b'));
    expect(bench.states().b).toBe('suspect');
  });

  test('rides first on our next ping to the suspect', () => {
    const bench = Bench.joined(['b'], quiet);
    bench.datagram(identity('c'), claim('b', 'suspect', { by: id('c') }));
    const pings = bench.runMs(1_100).filter((effect) => effect.kind === 'send-datagram' && effect.to === addressOf('b'));
    const first = pings[0]?.kind === 'send-datagram' ? packetOf(pings[0].bytes).messages : [];
    expect(first.slice(0, 2)).toMatchObject([{ kind: 'ping', target: 'b' }, claim('b', 'suspect', { by: id('c') })]);
  });

  test('that ends in death is told the dead at once', () => {
    const bench = Bench.joined(['b', 'c'], quiet);
    bench.datagram(identity('c'), claim('b', 'suspect', { by: id('c') }));
    const end = bench.runWellMs(4_000, ['b']);
    expect(changes(end)).toEqual(['member-dead b']);
    expect(said(end.slice(-1), 'claim')).toEqual([{ to: addressOf('b'), message: claim('b', 'dead', { by: id('a') }) }]);
  });
});

describe('accused ourselves', () => {
  test.each(['suspect', 'dead', 'left'] as const)('as %s, we answer with a higher incarnation', (state) => {
    const bench = Bench.joined(others);
    const effects = bench.datagram(identity('b'), claim('a', state));
    expect(effects.filter(({ kind }) => kind === 'refuted')).toMatchObject([{ incarnation: 1 }]);
    expect(bench.core.self()).toMatchObject({ state: 'alive', incarnation: 1 });
    expect(said(bench.runMs(250), 'claim').map(({ message }) => message)).toContainEqual(claim('a', 'alive', { incarnation: 1 }));
  });

  test('in a ping, the answer already refutes', () => {
    const bench = Bench.joined(others, quiet);
    const { message: { target, seq } } = nextPing(bench);
    bench.datagram(identity(target), { kind: 'ack', seq, stranger: false });
    const ping = { kind: 'ping' as const, seq: 1, target: id('a'), view: 0 };
    expect(said(bench.datagram(identity(target), ping, claim('a', 'suspect')), 'claim').map(({ message }) => message)).toContainEqual(claim('a', 'alive', { incarnation: 1 }));
  });

  test('again and again, we answer at most once in gossipMs', () => {
    const bench = Bench.joined(others, { gossipMs: 200 });
    let refuted = 0;
    for (let ms = 0; ms < 2_000; ms++) {
      refuted += bench.datagram(identity('b'), claim('a', 'suspect', { incarnation: bench.core.self().incarnation })).filter(({ kind }) => kind === 'refuted').length;
      refuted += bench.runWellMs(1).filter(({ kind }) => kind === 'refuted').length;
    }
    expect(refuted).toBeGreaterThanOrEqual(9);
    expect(refuted).toBeLessThanOrEqual(11);
  });

  test('at the highest incarnation, we answer with the next epoch, which the driver keeps', () => {
    const bench = Bench.joined(others);
    const effects = bench.datagram(identity('b'), claim('a', 'dead', { incarnation: incarnationMax }));
    expect(effects).toContainEqual({ kind: 'persist-epoch', epoch: epochOfTests + 1 });
    expect(bench.core.self()).toMatchObject({ state: 'alive', epoch: epochOfTests + 1, incarnation: 0 });
  });

  test('under an earlier epoch, we only say who we are', () => {
    const bench = Bench.joined(others);
    bench.runWellMs(30_000);
    const effects = bench.datagram(identity('b'), claim('a', 'dead', { epoch: epochOfTests - 1, incarnation: 100 }));
    expect(kindsOf(effects)).not.toContain('refuted');
    expect(said(bench.runWellMs(250), 'claim').map(({ message }) => message)).toContainEqual(claim('a'));
  });

  test('under an epoch absurdly far ahead, we take no notice', () => {
    const bench = Bench.joined(others);
    bench.datagram(identity('b'), claim('a', 'dead', { epoch: epochOfTests + epochStepMax + 1 }));
    expect([bench.core.self().epoch, bench.core.stats().rejected.implausible]).toEqual([epochOfTests, 1]);
  });
});

describe('somebody else under our id', () => {
  const elsewhere = '10.9.9.9:1' as Address;
  const rumour = claim('a', 'alive', { address: elsewhere, epoch: epochOfTests + 5 });

  test('is asked at its address, and when a later start answers, we fall silent', () => {
    const bench = Bench.joined(['b']);
    const [verify] = readable(bench.datagram(identity('b'), rumour));
    expect(verify).toMatchObject({ kind: 'open-stream', to: elsewhere, says: [{ kind: 'ping', target: 'a' }] });
    const seq = (verify?.says as { seq: number }[])[0]?.seq as number;
    expect(bench.frame(verify?.stream as number, identity('a', 0, epochOfTests + 5), { kind: 'ack', seq, stranger: false })).toContainEqual({ kind: 'superseded', epoch: epochOfTests + 5, address: elsewhere });
    expect(bench.core.nextWake()).toBeUndefined();
    expect(bench.give({ kind: 'join', request: 3 })).toMatchObject([{ kind: 'request-refused', code: 'unavailable' }]);
  });

  test('when nobody answers there, is a rumour that we outbid', () => {
    const bench = Bench.joined(['b']);
    const [verify] = readable(bench.datagram(identity('b'), rumour));
    const effects = bench.give({ kind: 'stream-closed', stream: verify?.stream as number, reason: 'refused' });
    expect(kindsOf(effects)).toContain('refuted');
    expect(bench.core.self()).toMatchObject({ epoch: epochOfTests + 5, incarnation: 1 });
  });

  test('at a lower address makes us outbid it, not give way, when both started in the same second', () => {
    const bench = Bench.joined(['b']);
    const [verify] = readable(bench.datagram(identity('b'), claim('a', 'alive', { address: '1.1.1.1:1' as Address, incarnation: 4 })));
    const seq = (verify?.says as { seq: number }[])[0]?.seq as number;
    expect(kindsOf(bench.frame(verify?.stream as number, identity('a', 4), { kind: 'ack', seq, stranger: false }))).toEqual(['close-stream', 'health-changed', 'member-updated', 'refuted']);
    expect(bench.core.self()).toMatchObject({ state: 'alive', incarnation: 5 });
  });
});

describe('claims about others', () => {
  test('of the dead are believed from gossip, and kept although we never met them', () => {
    const bench = Bench.joined(['b']);
    expect(changes(bench.datagram(identity('b'), claim('q', 'dead')))).toEqual(['member-dead q']);
    expect(changes(bench.datagram(identity('b'), claim('q', 'alive')))).toEqual([]);
  });

  test('that are stale are answered with what we know', () => {
    const bench = Bench.joined(['b', 'c']);
    bench.datagram(identity('c'), claim('b', 'dead', { by: id('c') }));
    bench.runWellMs(30_000);
    bench.datagram(identity('c'), claim('b'));
    expect(said(bench.runWellMs(250), 'claim').map(({ message }) => message)).toContainEqual(expect.objectContaining({ id: 'b', state: 'dead', ageS: 30 }));
  });

  test('change an address only with a higher identity', () => {
    const bench = Bench.joined(['b']);
    const moved = '10.7.7.7:7' as Address;
    bench.datagram(identity('c'), claim('b', 'alive', { address: moved }));
    bench.datagram(identity('c'), claim('b', 'suspect', { address: moved }));
    expect(bench.core.member(id('b'))?.address).toBe(addressOf('b'));
    bench.datagram(identity('c'), claim('b', 'alive', { address: moved, incarnation: 1 }));
    expect(bench.core.member(id('b'))?.address).toBe(moved);
  });

  test('of a later start are a restart, whatever the incarnation before it', () => {
    const bench = Bench.joined(['b']);
    bench.datagram(identity('b', 100), claim('b', 'alive', { incarnation: 100 }));
    expect(changes(bench.datagram(identity('b', 0, epochOfTests + 1), claim('b', 'alive', { epoch: epochOfTests + 1 })))).toEqual(['member-restarted b']);
  });

  test('under an epoch absurdly far ahead are refused', () => {
    const bench = Bench.joined(['b']);
    for (const name of ['b', 'unknown']) bench.datagram(identity('c'), claim(name, 'dead', { epoch: epochOfTests + epochStepMax + 1 }));
    expect([bench.states(), bench.core.stats().rejected.implausible]).toEqual([{ a: 'alive', b: 'alive' }, 2]);
  });

  test('of tombstones older than we would keep them are not taken up', () => {
    const bench = Bench.joined(['b']);
    bench.datagram(identity('b'), claim('q', 'left', { ageS: 86_400 }));
    expect(bench.states()).toEqual({ a: 'alive', b: 'alive' });
  });
});

describe('the view', () => {
  test('is the same object until something changes, and holds members that never change', () => {
    const bench = Bench.joined(['b']);
    const before = bench.core.view();
    expect(bench.core.view()).toBe(before);
    bench.datagram(identity('b'), claim('c'));
    expect(bench.core.view()).not.toBe(before);
    expect(before.members.map(({ id }) => id)).toEqual(['a', 'b']);
  });

  test('grows by one version with each change told, and each change shows in it', () => {
    const bench = Bench.joined(['b', 'c']);
    const start = bench.core.view().version;
    const effects = bench.datagram(identity('c'), claim('b', 'suspect'), claim('b', 'dead'), claim('d'));
    const versions = effects.flatMap((effect) => ('version' in effect ? [effect.version] : []));
    expect(versions).toEqual([start + 1, start + 2, start + 3]);
    expect(bench.core.view().version).toBe(start + 3);
  });
});

describe('leaving', () => {
  test('is finished when three peers have acknowledged it', () => {
    const bench = Bench.joined(others, quiet);
    const goodbye = bench.give({ kind: 'leave', request: 9 });
    const asked = said(goodbye, 'ping');
    expect(asked).toHaveLength(3);
    expect(said(goodbye, 'claim').map(({ message }) => message)).toContainEqual(claim('a', 'left'));
    for (const { message } of asked.slice(0, 2)) expect(bench.datagram(identity(message.target), { kind: 'ack', seq: message.seq, stranger: false })).toEqual([]);
    const last = asked[2]?.message;
    expect(bench.datagram(identity(last?.target as string), { kind: 'ack', seq: last?.seq as number, stranger: false })).toEqual([{ kind: 'leave-finished', request: 9, confirmed: 3 }]);
    expect(bench.core.nextWake()).toBeUndefined();
  });

  test('asks again, and ends after its time whoever has answered', () => {
    const bench = Bench.joined(others, quiet);
    bench.give({ kind: 'leave', request: 9 });
    const effects = bench.runMs(6_000);
    expect(said(effects, 'ping').length).toBeGreaterThan(6);
    expect(effects.at(-1)).toEqual({ kind: 'leave-finished', request: 9, confirmed: 0 });
    expect(bench.ms).toBe(6_000);
  });

  test('alone is finished at once', () => {
    expect(Bench.joined([]).give({ kind: 'leave', request: 9 }).at(-1)).toEqual({ kind: 'leave-finished', request: 9, confirmed: 0 });
  });

  test('and joining again beats our own goodbye', () => {
    const bench = Bench.joined([]);
    bench.give({ kind: 'leave', request: 9 });
    expect(kindsOf(bench.give({ kind: 'join', request: 10 }))).toEqual(['member-joined', 'join-finished']);
    expect(bench.core.self()).toMatchObject({ state: 'alive', incarnation: 1 });
  });

  test('of another member is seen at once, and its coming back too', () => {
    const bench = Bench.joined(['b']);
    expect(changes(bench.datagram(identity('b'), claim('b', 'left')))).toEqual(['member-left b']);
    expect(changes(bench.datagram(identity('c'), claim('b', 'suspect'), claim('b', 'dead')))).toEqual([]);
    expect(changes(bench.datagram(identity('b', 1), claim('b', 'alive', { incarnation: 1 })))).toEqual(['member-joined b']);
  });
});

describe('local health', () => {
  const scores = (effects: readonly SwimEffect[]): number[] => effects.flatMap((effect) => (effect.kind === 'health-changed' ? [effect.score] : []));

  test('falls by each relay that is silent too, and stretches the next period and timeout', () => {
    const bench = Bench.joined(others, quiet);
    nextPing(bench);
    const failed = bench.runMs(1_000);
    expect(scores(failed)).toEqual([3]);
    expect(said(bench.runMs(2_000 - 200), 'ping-req')).toEqual([]);
    expect(said(bench.runMs(200), 'ping-req').length).toBeGreaterThan(0);
  });

  test('is not touched when all relays say they are well', () => {
    const bench = Bench.joined(others, quiet);
    const { message: { seq } } = nextPing(bench);
    for (const { message } of said(bench.runMs(500), 'ping-req')) bench.datagram(identity(message.relay), { kind: 'nack', seq });
    expect(scores(bench.runMs(600))).toEqual([]);
  });

  test('falls by one when we have to refute, and comes back with each probe that succeeds', () => {
    const bench = Bench.joined(others, quiet);
    expect(scores(bench.datagram(identity('b'), claim('a', 'suspect')))).toEqual([1]);
    bench.runWellMs(2_000);
    expect(bench.core.stats().healthScore).toBe(0);
  });
});

describe('after a stall', () => {
  /** A probe is under way when the process freezes for three seconds. */
  function frozen() {
    const bench = Bench.joined(others, quiet);
    const ping = nextPing(bench);
    bench.now = plusMs(bench.now, 3_000);
    return { bench, ping, woken: bench.core.handle(wake, bench.now) };
  }

  test('nobody is judged before the socket had its turn', () => {
    const { bench, ping: { message }, woken } = frozen();
    expect(woken).toEqual([{ kind: 'health-changed', score: 4 }]);
    expect(bench.core.nextWake()).toBe(plusMs(bench.now, 100));
    expect(bench.datagram(identity(message.target), { kind: 'ack', seq: message.seq, stranger: false })).toMatchObject([{ kind: 'health-changed', score: 3 }, { kind: 'probe-finished', outcome: 'acked' }]);
    expect(changes(bench.runMs(200))).toEqual([]);
  });

  test('the driver may say sooner that the socket is empty', () => {
    const { bench } = frozen();
    bench.give({ kind: 'inbound-drained' });
    expect(bench.core.nextWake()).toBeGreaterThan(plusMs(bench.now, 100));
  });

  test('the probe under way is given its whole time again', () => {
    const { bench } = frozen();
    expect(changes(bench.runMs(100 + 5 * 1_000 - 1))).toEqual([]);
    expect(changes(bench.runMs(5 * 1_000))).toHaveLength(1);
  });

  test('a suspicion does not run out over the time we were deaf', () => {
    const bench = Bench.joined(['b', 'c'], quiet);
    bench.datagram(identity('c'), claim('b', 'suspect', { by: id('c') }));
    bench.now = plusMs(bench.now, 60_000);
    bench.core.handle(wake, bench.now);
    bench.runMs(100);
    expect(bench.states().b).toBe('suspect');
    expect(changes(bench.datagram(identity('b', 1), claim('b', 'alive', { incarnation: 1 })))).toEqual(['member-recovered b']);
  });

  test('the driver may tell of one that no timer noticed', () => {
    const bench = Bench.joined(others, quiet);
    expect(bench.give({ kind: 'loop-stalled', ms: 600 })).toEqual([{ kind: 'health-changed', score: 2 }]);
    expect(bench.core.nextWake()).toBe(plusMs(bench.now, 100));
  });
});

describe('what is asked of us wrongly', () => {
  test('at construction throws', () => {
    const self = { cluster, id: id('a'), address: addressOf('a'), epoch: 1 };
    expect(() => new SwimCore({ ...self, epoch: 0 }, Random.fromSeed(1))).toThrow('an epoch is a whole number');
    expect(() => new SwimCore({ ...self, address: 'with space' as Address }, Random.fromSeed(1))).toThrow('the address of a member');
    expect(() => new SwimCore({ ...self, metadata: new Uint8Array(20_000) }, Random.fromSeed(1))).toThrow('metadata of 20000 bytes is larger than the 16384 allowed');
    expect(() => new SwimCore(self, Random.fromSeed(1), { periodMs: -1 })).toThrow(OptionsError);
  });

  test('later is refused with a code', () => {
    const bench = Bench.joined(['b']);
    const refusals = [
      bench.give({ kind: 'set-metadata', request: 1, bytes: new Uint8Array(20_000) }),
      bench.give({ kind: 'broadcast', request: 2, topic: '', bytes: new Uint8Array(1) }),
      bench.give({ kind: 'broadcast', request: 3, topic: 't', bytes: new Uint8Array(513) }),
      bench.give({ kind: 'send-message', request: 4, to: id('q'), bytes: new Uint8Array(1), reliable: true }),
      bench.give({ kind: 'send-message', request: 5, to: id('b'), bytes: new Uint8Array(2_000), reliable: false }),
      bench.give({ kind: 'forget', request: 6, id: id('b') }),
    ].flat();
    expect(refusals.map((effect) => (effect.kind === 'request-refused' ? [effect.request, effect.code] : effect))).toEqual([
      [1, 'payload_too_large'], [2, 'invalid_argument'], [3, 'payload_too_large'], [4, 'unavailable'], [5, 'payload_too_large'], [6, 'invalid_argument'],
    ]);
  });
});
