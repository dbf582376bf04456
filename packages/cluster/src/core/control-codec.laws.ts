import type { NodeId } from '@engram/kernel';
import { contentOf, registerBytesMax, type RegisterState, type MapContent } from '@engram/placement/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mapOf, node, placed, voter } from '../../test/maps.js';
import { decodeControl, encodeControl, type ControlMessage } from './control-codec.js';

const count = fc.integer({ min: 0, max: 2 ** 40 });
const ms = fc.integer({ min: 0, max: 86_400_000 }).map((us) => us / 8);
const id = fc.constantFrom('a', 'node-1', 'eu.west-3').map((name): NodeId => node(name));
const state: RegisterState<MapContent> = {
  version: 3, value: contentOf(mapOf(['a', 'b', 'c'], [placed('a', ['b', 'c']), placed('b', ['c'], { moving: { from: undefined, to: node('a') } })])),
  change: 'a#1', voters: [voter('a')], previousVoters: undefined, votersVersion: 1,
};

const messages: fc.Arbitrary<ControlMessage> = fc.oneof(
  fc.record({ kind: fc.constant('lease-request' as const), request: fc.oneof(
    fc.record({ kind: fc.constant('renew' as const), attempt: count, mapEpoch: count }),
    fc.record({ kind: fc.constant('inquire' as const), attempt: count, node: id }),
  ) }),
  fc.record({ kind: fc.constant('lease-reply' as const), storageId: fc.constantFrom('disk-1', '0f'), reply: fc.oneof(
    fc.record({ kind: fc.constant('granted' as const), attempt: count, mapEpoch: count, others: fc.array(fc.record({ node: id, runsOutInMs: ms }), { maxLength: 5 }), unknownForMs: ms }),
    fc.record({ kind: fc.constant('withheld' as const), attempt: count, mapEpoch: count }),
    fc.record({ kind: fc.constant('state' as const), attempt: count, node: id, runsOutInMs: ms }),
  ) }),
  fc.record({ kind: fc.constant('map-request' as const), epoch: count }),
  fc.record({ kind: fc.constant('hand-over' as const), partition: count, to: id }),
  fc.constant<ControlMessage>({ kind: 'map', state }),
  fc.constant<ControlMessage>({ kind: 'register', message: { to: 'acceptor', request: { kind: 'prepare', storageId: 'disk-1', ballot: { round: 4, proposer: 'a.1' }, votersVersion: 2 } } }),
  fc.constant<ControlMessage>({ kind: 'register', message: { to: 'acceptor', request: { kind: 'accept', storageId: 'disk-1', ballot: { round: 4, proposer: 'a.1' }, state } } }),
);

describe('control messages', () => {
  it('come back as they were written', () => {
    fc.assert(fc.property(messages, (message) => {
      expect(decodeControl(encodeControl(message))).toEqual(message);
    }), { numRuns: 300 });
  });

  it('of any other bytes are none, and never throw', () => {
    fc.assert(fc.property(fc.integer({ min: 0, max: 8 }), fc.uint8Array({ maxLength: 200 }), (channel, body) => {
      const message = decodeControl(Uint8Array.from([channel, ...body]));
      expect(message === undefined || typeof message.kind === 'string').toBe(true);
    }), { numRuns: 2_000 });
  });

  it('that are damaged are refused or read as some whole message, never as half of one', () => {
    fc.assert(fc.property(messages, fc.nat(), fc.integer({ min: 1, max: 255 }), fc.nat(), (message, at, flip, length) => {
      const bytes = encodeControl(message).slice();
      bytes[at % bytes.length] = (bytes[at % bytes.length] as number) ^ flip;
      for (const damaged of [bytes, bytes.slice(0, length % bytes.length)]) {
        const read = decodeControl(damaged);
        if (read) expect(decodeControl(encodeControl(read))).toEqual(read);
      }
    }), { numRuns: 1_000 });
  });

  it('that are empty, too long, or of leases beyond their bounds are refused', () => {
    const lease = (body: object): unknown => decodeControl(Uint8Array.from([3, ...new TextEncoder().encode(JSON.stringify(body))]));
    const granted = { storageId: 'disk-1', kind: 'granted', attempt: 1, mapEpoch: 1, others: [], unknownForMs: 0 };
    expect(lease(granted)).toBeDefined();
    expect(lease({ ...granted, others: Array.from({ length: 1_001 }, () => ({ node: 'a', runsOutInMs: 1 })) })).toBeUndefined();
    expect(lease({ ...granted, unknownForMs: 86_400_001 })).toBeUndefined();
    expect(lease({ ...granted, attempt: -1 })).toBeUndefined();
    expect(lease({ ...granted, storageId: 'x'.repeat(65) })).toBeUndefined();
    expect(lease({ ...granted, storageId: 'a b' })).toBeUndefined();
    expect(decodeControl(new Uint8Array(0))).toBeUndefined();
    expect(decodeControl(new Uint8Array([1]))).toBeUndefined();
    expect(decodeControl(new Uint8Array(registerBytesMax + 2).fill(1))).toBeUndefined();
    expect(decodeControl(Uint8Array.from([4, ...new Uint8Array(65_537).fill(32)]))).toBeUndefined();
  });
});
