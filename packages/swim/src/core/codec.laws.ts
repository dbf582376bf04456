import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { header, limits, packetBytes } from '../../test/swim-fixtures.js';
import { datagramMessages, frameMessages, identities } from '../../test/wire-arbitraries.js';
import { decodePacket, encodePacket } from './codec.js';
import type { Channel, Packet } from './wire.js';

const plain = (packet: Packet): unknown => JSON.parse(JSON.stringify(packet, (_, value: unknown) => (value instanceof Uint8Array ? { bytes: [...value] } : value)));

describe('whatever is encoded is decoded to the same', () => {
  test.each([['datagram', datagramMessages], ['stream', frameMessages]] as const)('%s', (channel, messages) => {
    fc.assert(fc.property(identities, messages, (from, list) => {
      const outcome = decodePacket(encodePacket(header, { from, messages: list }), header, channel, limits);
      expect(outcome.kind === 'packet' && plain(outcome.packet)).toEqual(plain({ from, messages: list }));
    }), { numRuns: 400 });
  });
});

/** Bytes that are nearly right: one byte changed, one removed, one put in, or the end cut off. */
const mutation = fc.record({ what: fc.constantFrom('flip', 'remove', 'insert', 'cut'), at: fc.nat(), byte: fc.integer({ min: 0, max: 255 }) });

function mutated(bytes: Uint8Array, { what, at, byte }: { what: string; at: number; byte: number }): Uint8Array {
  const place = at % bytes.length;
  const [head, tail] = [[...bytes.subarray(0, place)], [...bytes.subarray(place)]];
  if (what === 'cut') return Uint8Array.from(head);
  if (what === 'insert') return Uint8Array.from([...head, byte, ...tail]);
  return Uint8Array.from(what === 'remove' ? [...head, ...tail.slice(1)] : [...head, byte, ...tail.slice(1)]);
}

describe('no bytes make the decoder throw', () => {
  const channels: readonly Channel[] = ['datagram', 'stream'];

  test('random ones behind a good header', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom(...channels), (tail, channel) => {
      expect(['packet', 'rejected']).toContain(decodePacket(Uint8Array.from([...header, ...tail]), header, channel, limits).kind);
    }), { numRuns: 3_000 });
  });

  test('valid ones, mutated', () => {
    fc.assert(fc.property(identities, datagramMessages, fc.array(mutation, { minLength: 1, maxLength: 4 }), (from, messages, mutations) => {
      const bytes = mutations.reduce((each, one) => (each.length === 0 ? each : mutated(each, one)), packetBytes(from, ...messages));
      const outcome = decodePacket(bytes, header, 'datagram', limits);
      // What is still accepted is in order: it can be encoded, and reads the same again.
      if (outcome.kind === 'packet') {
        const again = decodePacket(encodePacket(header, outcome.packet), header, 'datagram', limits);
        expect(again.kind === 'packet' && plain(again.packet)).toEqual(plain(outcome.packet));
      }
    }), { numRuns: 3_000 });
  });

  test('nested and lying structures', () => {
    const marker = fc.constantFrom(0x91, 0x9f, 0xdc, 0xdd, 0xc4, 0xc6, 0xd9, 0xdb, 0xa1, 0xbf, 0xcf, 0xd4, 0xc7, 0xc9, 0x81, 0xde, 0xdf, 0xff, 0x00);
    fc.assert(fc.property(fc.array(marker, { maxLength: 1_100 }), (tail) => {
      expect(['packet', 'rejected']).toContain(decodePacket(Uint8Array.from([...header, ...tail]), header, 'datagram', limits).kind);
    }), { numRuns: 1_000 });
  });
});
