/**
 * The faults that membership libraries have been bitten by, each against the core alone. What needs a whole cluster is
 * in test/cluster.spec.ts.
 */
import { describe, expect, test } from 'vitest';
import { instant, parseClusterId, Random } from '@engram/kernel';
import { addressOf, Bench, claim, epochOfTests, header, id, identity, kindsOf, packetBytes, readable, said } from '../../test/swim-fixtures.js';
import { encodePacket, packetHeader } from './codec.js';
import { SwimCore } from './swim.js';

test('dead at incarnation 100 and restarted at 0: the later start is believed at once', () => {
  const bench = Bench.joined(['b']);
  bench.datagram(identity('c'), claim('b', 'dead', { incarnation: 100 }));
  const reborn = claim('b', 'alive', { epoch: epochOfTests + 1 });
  expect(kindsOf(bench.datagram(identity('b', 0, epochOfTests + 1), reborn))).toContain('member-joined');
  expect(bench.states().b).toBe('alive');
});

describe('a gone node and a stale full sync', () => {
  test.each(['dead', 'left'] as const)('one that is %s is not revived, and the other side is told', (state) => {
    const bench = Bench.joined(['b', 'c']);
    bench.datagram(identity('c'), claim('b', state, { by: state === 'dead' ? id('c') : undefined }));
    bench.frame(-1, identity('c'), claim('b'), { kind: 'sync-wants', ids: [] });
    expect(bench.states().b).toBe(state);
    const answer = readable(bench.frame(-2, identity('c'), { kind: 'sync-wants', ids: [id('b')] }));
    expect(answer.at(-1)).toMatchObject({ kind: 'send-stream', says: [expect.objectContaining({ id: 'b', state }), expect.anything(), { kind: 'sync-done' }] });
  });

  test('one forgotten long ago here is still dead there, and old tombstones are not taken up again as fresh', () => {
    const bench = Bench.joined(['c'], { syncMs: 1_000, deadMs: 10_000, leftMs: 10_000 });
    bench.frame(-1, identity('c'), claim('b', 'dead', { ageS: 9 }), { kind: 'sync-wants', ids: [] });
    expect(bench.states().b).toBe('dead');
    bench.runWellMs(3_000);
    expect(bench.states().b).toBeUndefined();
    bench.frame(-1, identity('c'), claim('b', 'dead', { ageS: 12 }), { kind: 'sync-wants', ids: [] });
    expect(bench.states().b).toBeUndefined();
  });
});

test('two clusters and a reused address: not a byte behind the header is looked at', () => {
  const bench = Bench.joined(['b']);
  const other = encodePacket(packetHeader(parseClusterId('other')), { from: identity('b'), messages: [claim('b', 'dead'), claim('evil')] });
  expect(bench.give({ kind: 'datagram-received', from: addressOf('b'), bytes: other })).toEqual([{ kind: 'rejected', reason: 'other-cluster', from: addressOf('b') }]);
  expect(bench.states()).toEqual({ a: 'alive', b: 'alive' });
});

test('left members are forgotten in time, so that they do not gather for ever', () => {
  const bench = Bench.joined(['b', 'c'], { syncMs: 1_000, leftMs: 10_000 });
  bench.datagram(identity('b'), claim('b', 'left'));
  const effects = bench.runWellMs(12_000);
  expect(effects.filter(({ kind }) => kind === 'member-forgotten')).toMatchObject([{ member: { id: 'b' } }]);
  expect(bench.states()).toEqual({ a: 'alive', c: 'alive' });
});

test('suspicion about ourselves under our previous identity is no accusation of us', () => {
  const bench = Bench.joined(['b']);
  const effects = bench.datagram(identity('b'), claim('a', 'suspect', { epoch: epochOfTests - 5, incarnation: 7 }), claim('a', 'dead', { epoch: epochOfTests - 5, incarnation: 7 }));
  expect(kindsOf(effects)).toEqual([]);
  expect(bench.core.self()).toMatchObject({ epoch: epochOfTests, incarnation: 0, state: 'alive' });
});

test('an address that somebody else took over is not probed alive: the ping names its target', () => {
  const [here, there] = [Bench.joined(['b']), new SwimCore({ cluster: parseClusterId('test'), id: id('q'), address: addressOf('b'), epoch: 1 }, Random.fromSeed(1))];
  there.handle({ kind: 'join', request: 1 }, instant(0));
  const ping = here.runMs(1_100).find((effect) => effect.kind === 'send-datagram' && said([effect], 'ping').length > 0);
  const answer = ping?.kind === 'send-datagram' ? there.handle({ kind: 'datagram-received', from: addressOf('a'), bytes: ping.bytes }, instant(0)) : [];
  expect(answer).toContainEqual({ kind: 'rejected', reason: 'misdirected', from: addressOf('a') });
  expect(said(answer, 'ack')).toEqual([]);
});

describe('two sides of a healed partition', () => {
  test('a full sync that calls dead whom we hold alive changes nothing, but the accused is told and probed next', () => {
    const bench = Bench.joined(['b', 'c', 'd', 'e'], { gossipMs: 1_000_000 });
    const effects = bench.frame(-1, identity('far'), claim('far'), claim('d', 'dead', { by: id('far') }), { kind: 'sync-wants', ids: [] });
    expect(kindsOf(effects)).not.toContain('member-dead');
    expect(said(effects, 'claim')).toEqual([{ to: addressOf('d'), message: claim('d', 'dead', { by: id('far') }) }]);
    const [probe] = said(bench.runMs(1_100), 'ping');
    expect(probe?.message.target).toBe('d');
  });

  test('whoever is called dead by the answer to a full sync refutes within it', () => {
    const bench = Bench.joined(['b']);
    bench.runWellMs(60_000, ['b']);
    const sync = readable(bench.give({ kind: 'seeds-resolved', addresses: [addressOf('far')] })).concat(readable(bench.give({ kind: 'join', request: 4 })));
    const stream = sync.find(({ kind }) => kind === 'open-stream')?.stream as number;
    const digest = { kind: 'sync-digest' as const, buckets: [], entries: [{ ...identity('a'), state: 'dead' as const, metadataVersion: 0 }], more: false };
    const answer = readable(bench.frame(stream, identity('far'), claim('far'), digest));
    expect(answer.find(({ kind }) => kind === 'send-stream')).toMatchObject({ says: [claim('a', 'alive', { incarnation: 1 }), { kind: 'sync-wants', ids: [] }] });
  });
});

describe('one who was cut off and is heard again', () => {
  test('with late news of a death is not believed before the one concerned was asked', () => {
    const bench = Bench.joined(['b', 'c']);
    bench.datagram(identity('c'), claim('b', 'dead', { ageS: 3, by: id('c') }));
    expect(bench.states().b).toBe('alive');
    const asked = bench.runMs(1_000).filter((effect) => effect.kind === 'send-datagram' && effect.to === addressOf('b'));
    expect(said(asked, 'ping')).toMatchObject([{ message: { target: 'b' } }]);
    expect(said(asked, 'claim').map(({ message }) => `${message.id} ${message.state}`)).toContain('b dead');
    bench.datagram(identity('b', 1), claim('b', 'alive', { incarnation: 1 }));
    expect(bench.states().b).toBe('alive');
  });

  test('is believed at once when the news is fresh, or when we suspected that member ourselves', () => {
    const bench = Bench.joined(['b', 'c', 'd']);
    bench.datagram(identity('d'), claim('b', 'dead', { by: id('d') }), claim('c', 'suspect', { by: id('d') }), claim('c', 'dead', { ageS: 3, by: id('d') }));
    expect(bench.states()).toMatchObject({ b: 'dead', c: 'dead' });
  });

  test('does not begin with what it concluded while it heard nobody', () => {
    const bench = Bench.joined(['b', 'c']);
    const alone = bench.runMs(120_000);
    expect(kindsOf(alone)).toContain('isolated');
    const [first] = alone.flatMap((effect) => (effect.kind === 'member-dead' ? [effect.member.id] : []));
    bench.datagram(identity(first as string, 1), claim(first as string, 'alive', { incarnation: 1 }));
    const told = said(bench.runWellMs(1_000), 'claim');
    expect(told).not.toEqual([]);
    expect(told.filter(({ to, message }) => to === addressOf(first as string) && message.state === 'dead')).toEqual([]);
  });
});

describe('never isolated for good', () => {
  const contacted = (bench: Bench, ms: number): string[] => bench.runMs(ms).flatMap((effect) => {
    if (effect.kind !== 'open-stream') return [];
    bench.give({ kind: 'stream-closed', stream: effect.stream, reason: 'refused' });
    return [effect.to];
  });

  test('seeds that never answered are contacted for ever, and their names looked up again', () => {
    const bench = new Bench();
    bench.give({ kind: 'seeds-resolved', addresses: [addressOf('s')] });
    const [opened] = bench.give({ kind: 'join', request: 1 });
    expect(bench.give({ kind: 'stream-closed', stream: opened?.kind === 'open-stream' ? opened.stream : 0, reason: 'refused' }).map(({ kind }) => kind)).toEqual(['join-finished', 'isolated']);
    for (let day = 0; day < 3; day++) expect(contacted(bench, 3_600_000).length).toBeGreaterThan(300);
    expect(kindsOf(bench.runMs(60_000))).toContain('resolve-seeds');
  });

  test('the last peer dies, is forgotten, and its address is contacted all the same; the first to answer ends the isolation', () => {
    const bench = Bench.joined(['b'], { syncMs: 1_000, deadMs: 20_000, leftMs: 20_000 });
    const told = kindsOf(bench.runMs(40_000));
    expect(told.filter((kind) => ['member-dead', 'isolated', 'member-forgotten'].includes(kind))).toEqual(['member-dead', 'isolated', 'member-forgotten']);
    expect(contacted(bench, 600_000)).toContain(addressOf('b'));
    expect(kindsOf(bench.datagram(identity('b', 1), claim('b', 'alive', { incarnation: 1 })))).toEqual(['member-joined', 'rejoined']);
  });

  test('a first node without seeds is alone, not isolated', () => {
    expect(kindsOf(new Bench().give({ kind: 'join', request: 1 }))).toEqual(['join-finished']);
  });
});

describe('with a valid key, an enemy', () => {
  test('invents 100 000 members: the table keeps its bound and those who answered stay', () => {
    const bench = Bench.joined(['real', 'true'], { membersMax: 500, gossipMs: 1_000_000 });
    bench.runWellMs(3_000);
    for (let i = 0; i < 100_000; i += 20) {
      bench.give({ kind: 'datagram-received', from: addressOf('x'), bytes: packetBytes(identity('x'), ...Array.from({ length: 20 }, (_, k) => claim(`fake-${i + k}`))) });
      expect(bench.core.view().members.length).toBeLessThanOrEqual(500);
    }
    expect(bench.states()).toMatchObject({ a: 'alive', real: 'alive', true: 'alive' });
    expect(bench.core.stats().newsQueued).toBeLessThanOrEqual(500);
  }, 20_000);

  test('cannot push anybody out who answered: then newcomers are refused and counted', () => {
    const bench = Bench.joined(['b', 'c'], { membersMax: 3 });
    bench.runWellMs(5_000);
    bench.datagram(identity('x'), claim('fake'));
    expect([Object.keys(bench.states()), bench.core.stats().rejected['members-full']]).toEqual([['a', 'b', 'c'], 1]);
  });

  test('accuses at the highest incarnation: the accused comes back under the next epoch, and others believe it', () => {
    const [accused, witness] = [Bench.joined(['b']), Bench.joined(['b', 'c'])];
    const forged = claim('b', 'dead', { incarnation: 2 ** 20 });
    witness.datagram(identity('x'), forged);
    const victim = new Bench({}, 'b');
    victim.give({ kind: 'join', request: 1 });
    victim.datagram(identity('x'), forged);
    const answer = claim('b', 'alive', { epoch: epochOfTests + 1 });
    expect(victim.core.self()).toMatchObject({ state: 'alive', epoch: epochOfTests + 1 });
    witness.datagram(identity('b'), answer);
    accused.datagram(identity('b'), answer);
    expect([witness.states().b, accused.states().b]).toEqual(['alive', 'alive']);
  });
});

test('a datagram that decodes past its end is dropped whole', () => {
  const bench = Bench.joined(['b']);
  const bytes = packetBytes(identity('b'), claim('evil'));
  const longer = Uint8Array.from([...bytes, ...packetBytes(identity('b'), claim('worse')).subarray(header.length)]);
  expect(bench.give({ kind: 'datagram-received', from: addressOf('b'), bytes: longer })).toEqual([{ kind: 'rejected', reason: 'malformed', from: addressOf('b') }]);
  expect(bench.states()).toEqual({ a: 'alive', b: 'alive' });
});
