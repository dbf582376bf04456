import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instant, plusMs, Random } from '@engram/kernel';
import { addressOf, Bench, claim, header, id, identity, packetBytes, packetOf } from '../../test/swim-fixtures.js';
import { datagramMessages, frameMessages, identities } from '../../test/wire-arbitraries.js';
import { assemblePacket, encodeSender } from './codec.js';
import { compareClaims } from './digest.js';
import type { Member, MemberState } from './member.js';
import type { SwimEffect } from './messages.js';
import type { Claim, ClaimedMetadata } from './wire.js';

/**
 * Claims as honest members make them: an address and metadata belong to an identity, and metadata only ever rides on
 * claims of the member's own.
 */
const honest = fc
  .record({ name: fc.constantFrom('b', 'c', 'd'), epoch: fc.integer({ min: 1_000, max: 1_002 }), incarnation: fc.integer({ min: 0, max: 3 }), state: fc.constantFrom<MemberState>('alive', 'suspect', 'dead', 'left'), by: fc.constantFrom('x', 'y') })
  .map(({ name, epoch, incarnation, state, by }): Claim => {
    const metadata: ClaimedMetadata = { version: incarnation + 1, bytesLength: 1, bytes: Uint8Array.of(incarnation), hash: undefined };
    return claim(name, state, {
      epoch, incarnation, address: `${addressOf(name)}/${epoch}/${incarnation}` as never,
      by: state === 'suspect' || state === 'dead' ? id(by) : undefined, metadata: state === 'alive' ? metadata : undefined,
    });
  });

function viewAfter(claims: readonly Claim[], perDatagram: number): unknown {
  const bench = Bench.joined([]);
  for (let at = 0; at < claims.length; at += perDatagram) bench.datagram(identity('x'), ...claims.slice(at, at + perDatagram));
  // Metadata may depend on which claims of an earlier life came by; who is here and in what state may not.
  return Object.fromEntries(bench.core.view().members.map(({ id: who, epoch, incarnation, state, address }) => [who, { epoch, incarnation, state, address }]));
}

describe('gossip', () => {
  test('ends in one view, in whatever order it comes and however often', () => {
    fc.assert(fc.property(fc.array(honest, { maxLength: 20 }), fc.integer(), fc.integer({ min: 1, max: 7 }), (claims, seed, perDatagram) => {
      const again = Random.fromSeed(seed).shuffle([...claims, ...claims.slice(0, claims.length / 2)]);
      expect(viewAfter(again, perDatagram)).toEqual(viewAfter(claims, 1));
    }), { numRuns: 500 });
  });

  test('ends in the greatest claim about each member', () => {
    fc.assert(fc.property(fc.array(honest, { minLength: 1, maxLength: 20 }), (claims) => {
      const bench = Bench.joined([]);
      bench.datagram(identity('x'), ...claims);
      for (const name of new Set(claims.map((each) => each.id))) {
        const greatest = claims.filter((each) => each.id === name).reduce((a, b) => (compareClaims(b, a) === 'newer' ? b : a));
        expect(compareClaims(bench.core.member(name) as Member, greatest)).toBe('same');
      }
    }), { numRuns: 300 });
  });
});

/** What may happen to a node, honest or not. */
const happening = fc.oneof(
  { weight: 4, arbitrary: fc.array(honest, { minLength: 1, maxLength: 4 }).map((claims) => ({ what: 'gossip' as const, claims })) },
  { weight: 2, arbitrary: fc.array(honest, { minLength: 1, maxLength: 4 }).map((claims) => ({ what: 'sync' as const, claims })) },
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 9_000 }).map((ms) => ({ what: 'time' as const, ms })) },
  { weight: 1, arbitrary: fc.record({ what: fc.constant('accuse' as const), state: fc.constantFrom<MemberState>('suspect', 'dead', 'left'), ahead: fc.integer({ min: 0, max: 3 }) }) },
  { weight: 1, arbitrary: fc.constant({ what: 'leave' as const }) },
  { weight: 1, arbitrary: fc.constant({ what: 'join' as const }) },
);

function undergo(bench: Bench, each: { what: string; claims?: readonly Claim[]; ms?: number; state?: MemberState; ahead?: number }): readonly SwimEffect[] {
  const self = bench.core.self();
  switch (each.what) {
    case 'gossip': return bench.datagram(identity('x'), ...(each.claims ?? []));
    case 'sync':   return bench.frame(-1, identity('x'), ...(each.claims ?? []), { kind: 'sync-wants', ids: [] });
    case 'time':   return bench.runMs(each.ms ?? 0);
    case 'accuse': return bench.datagram(identity('x'), claim('a', each.state, { epoch: self.epoch, incarnation: self.incarnation + (each.ahead ?? 0) }));
    case 'leave':  return bench.give({ kind: 'leave', request: 1 });
    default:       return bench.give({ kind: 'join', request: 2 });
  }
}

describe('whatever happens to a node', () => {
  test('identities it holds only grow, and nobody comes back without a higher one', () => {
    fc.assert(fc.property(fc.array(happening, { maxLength: 30 }), (happenings) => {
      const bench = Bench.joined(['b', 'c']);
      const seen = new Map<string, Member>(bench.core.view().members.map((member) => [member.id, member]));
      for (const each of happenings) {
        for (const effect of undergo(bench, each)) {
          if (!('member' in effect) || typeof effect.member !== 'object') continue;
          const before = seen.get(effect.member.id);
          if (before && effect.kind !== 'member-forgotten') expect([effect.kind, compareClaims(effect.member, before)]).not.toEqual([effect.kind, 'older']);
          seen.set(effect.member.id, effect.member);
        }
      }
    }), { numRuns: 300 });
  });

  test('its events, applied one after the other, give its view', () => {
    fc.assert(fc.property(fc.array(happening, { maxLength: 30 }), (happenings) => {
      const bench = Bench.joined(['b', 'c']);
      let { version } = bench.core.view();
      const mirrored = new Map<string, Member>(bench.core.view().members.map((member) => [member.id, member]));
      for (const each of happenings) {
        for (const effect of undergo(bench, each)) {
          if (!('version' in effect)) continue;
          expect(effect.version).toBe(++version);
          if (effect.kind === 'member-forgotten') mirrored.delete(effect.member.id);
          else mirrored.set(effect.member.id, effect.member);
        }
        expect(bench.core.view().version).toBe(version);
        expect([...mirrored.values()]).toEqual(bench.core.view().members);
      }
    }), { numRuns: 200 });
  });

  test('while it has joined it holds itself alive, above all that was said about it', () => {
    fc.assert(fc.property(fc.array(happening, { maxLength: 20 }), (happenings) => {
      const bench = Bench.joined(['b']);
      for (const each of happenings) undergo(bench, each);
      bench.runMs(10_000);
      expect(bench.core.self().state).toBe(bench.core.phase === 'joined' ? 'alive' : 'left');
    }), { numRuns: 150 });
  });

  test('a wake before its time does nothing', () => {
    fc.assert(fc.property(fc.array(happening, { maxLength: 10 }), (happenings) => {
      const bench = Bench.joined(['b']);
      for (const each of happenings) undergo(bench, each);
      const at = bench.core.nextWake();
      fc.pre(at === undefined || at > bench.now);
      expect(bench.core.handle({ kind: 'wake' }, bench.now)).toEqual([]);
    }), { numRuns: 150 });
  });
});

describe('hostile input', () => {
  const anyBytes = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.uint8Array({ maxLength: 400 }).map((tail) => Uint8Array.from([...header, ...tail])),
    fc.tuple(identities, datagramMessages, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([from, messages, at, byte]) => {
      const bytes = packetBytes(from, ...messages);
      bytes[at % bytes.length] = byte;
      return bytes;
    }),
  );

  test('never throws, and what is rejected changes nothing', () => {
    fc.assert(fc.property(fc.array(fc.tuple(anyBytes, fc.constantFrom(-1, -2, 1, 2, 0)), { maxLength: 20 }), (inputs) => {
      const bench = Bench.joined(['b']);
      for (const [bytes, stream] of inputs) {
        const before = bench.core.view();
        const effects = bench.give(stream === 0 ? { kind: 'datagram-received', from: addressOf('q'), bytes } : { kind: 'stream-received', stream, from: addressOf('q'), bytes });
        if (effects[0]?.kind === 'rejected' && effects[0].reason !== 'misdirected') expect(bench.core.view()).toBe(before);
      }
    }), { numRuns: 400 });
  });

  test('valid messages in any order, from anybody, by datagram or stream, never throw', () => {
    const packets = fc.array(fc.oneof(fc.tuple(fc.constant(0), identities, datagramMessages), fc.tuple(fc.constantFrom(-1, 1, 2), identities, frameMessages)), { maxLength: 20 });
    fc.assert(fc.property(packets, (list) => {
      const bench = Bench.joined(['b', 'c']);
      for (const [stream, from, messages] of list) {
        const bytes = packetBytes(from, ...messages);
        bench.give(stream === 0 ? { kind: 'datagram-received', from: addressOf('q'), bytes } : { kind: 'stream-received', stream, from: addressOf('q'), bytes });
        bench.now = plusMs(bench.now, 37);
      }
      bench.runMs(3_000);
    }), { numRuns: 200 });
  });

  test('an address that never proved itself gets no more bytes than it sent', () => {
    fc.assert(fc.property(identities, datagramMessages, (from, messages) => {
      const bench = Bench.joined(['b', 'c', 'd']);
      const bytes = packetBytes(from, ...messages);
      let answered = 0;
      for (const effect of bench.give({ kind: 'datagram-received', from: '9.9.9.9:9' as never, bytes })) {
        if (effect.kind === 'send-datagram' && effect.to === '9.9.9.9:9') answered += effect.bytes.length;
      }
      expect(answered).toBeLessThanOrEqual(bytes.length);
    }), { numRuns: 400 });
  });

  test('no datagram of ours is larger than allowed, whatever news there is', () => {
    fc.assert(fc.property(fc.array(datagramMessages, { maxLength: 15 }), fc.integer({ min: 1_082, max: 1_400 }), (packets, datagramBytesMax) => {
      const bench = new Bench({ datagramBytesMax, datagramOverheadBytes: 10 });
      bench.give({ kind: 'join', request: 1 });
      const sent: SwimEffect[] = [];
      for (const messages of packets) sent.push(...bench.datagram(identity('b'), ...messages));
      sent.push(...bench.runMs(3_000));
      for (const effect of sent) if (effect.kind === 'send-datagram') expect(effect.bytes.length).toBeLessThanOrEqual(datagramBytesMax - 10);
    }), { numRuns: 100 });
  });
});

test('an empty packet is no reason for anything', () => {
  const bench = Bench.joined([]);
  const bytes = assemblePacket(header, encodeSender(identity('b')), []);
  expect(packetOf(bytes).messages).toEqual([]);
  expect(bench.give({ kind: 'datagram-received', from: addressOf('b'), bytes })).toEqual([]);
  expect(bench.core.nextWake()).toBeGreaterThan(instant(0));
});
