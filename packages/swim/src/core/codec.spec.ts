import { describe, expect, test } from 'vitest';
import { parseClusterId } from '@engram/kernel';
import { claim, cluster, header, id, identity, limits, packetBytes } from '../../test/swim-fixtures.js';
import { decodePacket, encodePacket, headerBytes, packetHeader, packetOverhead, encodeSender } from './codec.js';
import { incarnationMax } from './member.js';
import type { WireMessage } from './wire.js';

const from = identity('a', 3);
const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const unhex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const reasonOf = (bytes: Uint8Array, channel: 'datagram' | 'stream' = 'datagram'): string => {
  const outcome = decodePacket(bytes, header, channel, limits);
  return outcome.kind === 'packet' ? 'accepted' : outcome.reason;
};
/** A packet whose messages are these msgpack bytes. */
const raw = (count: number, bytes: string): Uint8Array => unhex(hex(header) + `9${(3 + count).toString(16)}a161cd03e803${bytes}`);

/** What version 2 puts on the wire, for good: whoever changes these bytes raises the version. */
const golden: readonly [WireMessage, string][] = [
  [{ kind: 'ping', seq: 7, target: id('b'), view: 0xdeadbeef }, '940007a162cedeadbeef'],
  [{ kind: 'ack', seq: 4_294_967_295, stranger: true }, '9301ceffffffff01'],
  [{ kind: 'ping-req', seq: 7, relay: id('b'), target: id('c') }, '940207a162a163'],
  [{ kind: 'nack', seq: 7 }, '920307'],
  [claim('b'), '9504a162aa31302e302e302e313a62cd03e800'],
  [claim('b', 'alive', { metadata: { version: 2, bytesLength: 2, bytes: Uint8Array.of(1, 2), hash: undefined } }), '9704a162aa31302e302e302e313a62cd03e80002c4020102'],
  [claim('b', 'alive', { metadata: { version: 2, bytesLength: 900, bytes: undefined, hash: new Uint8Array(8) } }), '9804a162aa31302e302e302e313a62cd03e80002cd0384c4080000000000000000'],
  [claim('b', 'suspect'), '9605a162aa31302e302e302e313a62cd03e800a17a'],
  [claim('b', 'dead', { ageS: 60 }), '9706a162aa31302e302e302e313a62cd03e800a17a3c'],
  [claim('b', 'left', { ageS: 60 }), '9607a162aa31302e302e302e313a62cd03e8003c'],
  [{ kind: 'broadcast', origin: id('a'), high: 1, low: 2, topic: 'news', bytes: Uint8Array.of(9) }, '9608a1610102a46e657773c40109'],
  [{ kind: 'ack', seq: 7, stranger: false }, '920107'],
  [{ kind: 'message', target: id('b'), epoch: 1_000, bytes: Uint8Array.of(9) }, '9409a162cd03e8c40109'],
  [{ kind: 'cluster-id', clusterId: 'c-1' }, '9211a3632d31'],
];
const goldenFrames: readonly [WireMessage, string][] = [
  [{ kind: 'received' }, '910a'],
  [{ kind: 'sync-buckets', fingerprints: new Array<number>(64).fill(1) }, `920bdc0040${'01'.repeat(64)}`],
  [{ kind: 'sync-digest', buckets: [5, 63], entries: [{ ...identity('b', 1), state: 'dead', metadataVersion: 4 }], more: true }, '940c92053f9195a162cd03e801020401'],
  [{ kind: 'sync-wants', ids: [id('b')] }, '920d91a162'],
  [{ kind: 'sync-done' }, '910e'],
  [{ kind: 'metadata-pull', epoch: 1_000, version: 4 }, '930fcd03e804'],
  [{ kind: 'metadata', epoch: 1_000, version: 4, bytes: Uint8Array.of(9) }, '9410cd03e804c40109'],
];

describe('the bytes of version 2', () => {
  test.each(golden)('of %j', (message, bytes) => {
    expect(hex(packetBytes(from, message))).toBe(hex(raw(1, bytes)));
    expect(decodePacket(raw(1, bytes), header, 'datagram', limits)).toEqual({ kind: 'packet', packet: { from, messages: [message] } });
  });

  test.each(goldenFrames)('of %j', (message, bytes) => {
    expect(hex(packetBytes(from, message))).toBe(hex(raw(1, bytes)));
    expect(decodePacket(raw(1, bytes), header, 'stream', limits)).toEqual({ kind: 'packet', packet: { from, messages: [message] } });
  });

  test('of the header', () => {
    expect(hex(packetHeader(parseClusterId('orders')))).toBe('5357020f4f95cf00000000');
    expect(hex(packetHeader(parseClusterId('orders'), 'c-1'))).toBe('5357020f4f95cfc0d180f9');
  });
});

describe('turned away before anything is parsed', () => {
  const good = packetBytes(from, { kind: 'nack', seq: 1 });
  const patched = (at: number, byte: number): Uint8Array => Uint8Array.from(good, (b, i) => (i === at ? byte : b));

  test('whoever belongs to another cluster', () => {
    const bytes = encodePacket(packetHeader(parseClusterId('other')), { from, messages: [] });
    expect(reasonOf(bytes)).toBe('other-cluster');
    expect(reasonOf(Uint8Array.of(...packetHeader(parseClusterId('other')), 0xc1))).toBe('other-cluster');
  });

  test('whoever belongs to another cluster of the same name, unless one of the two knows no id yet', () => {
    const headerOf = (clusterId?: string): Uint8Array => packetHeader(cluster, clusterId);
    const reason = (theirs?: string, ours?: string): string => {
      const outcome = decodePacket(encodePacket(headerOf(theirs), { from, messages: [] }), headerOf(ours), 'datagram', limits);
      return outcome.kind === 'packet' ? 'accepted' : outcome.reason;
    };
    expect([reason('c-1', 'c-1'), reason(undefined, 'c-1'), reason('c-1', undefined), reason('c-1', 'c-2')]).toEqual(['accepted', 'accepted', 'accepted', 'other-cluster-id']);
  });

  test('whoever speaks another version', () => expect(reasonOf(patched(2, 1))).toBe('other-version'));
  test('what is no packet of ours', () => expect(reasonOf(patched(0, 0))).toBe('not-swim'));
  test.each([0, 1, headerBytes - 1])('%i bytes', (length) => expect(reasonOf(good.subarray(0, length))).toBe('too-short'));
  test('more bytes than allowed', () => {
    expect(reasonOf(new Uint8Array(limits.datagramBytesMax + 1))).toBe('too-large');
    expect(reasonOf(new Uint8Array(limits.streamBytesMax + 1), 'stream')).toBe('too-large');
  });
});

describe('malformed', () => {
  test.each([
    ['nothing after the header', hex(header)],
    ['no array', `${hex(header)}01`],
    ['a map', `${hex(header)}81a16101`],
    ['a map within', hex(raw(1, '80'))],
    ['an extension', hex(raw(1, 'd40000'))],
    ['the extension that makes records', hex(raw(1, 'd4724091a161'))],
    ['a 64-bit integer', hex(raw(1, '9203cf0000000000000001'))],
    ['a reserved byte', hex(raw(1, 'c1'))],
    ['text that is cut off', hex(raw(1, '9209a5616263'))],
    ['a count of 4 billion', `${hex(header)}ddffffffff`],
    ['a text of 4 billion bytes', hex(raw(1, 'dbffffffff'))],
    ['a compound that ends early', hex(raw(3, '920307'))],
    ['a compound that goes on past its end', hex(raw(1, '920307920308'))],
    ['nesting a thousand deep', hex(raw(1, '91'.repeat(1_000) + '01'))],
    ['no sender', `${hex(header)}90`],
  ])('%s', (_, bytes) => expect(reasonOf(unhex(bytes))).toBe('malformed'));
});

describe('a message that breaks a rule', () => {
  test.each([
    ['of an unknown kind', '9163'],
    ['that is no array', '07'],
    ['without a kind', '90'],
    ['with a field too many', '93030708'],
    ['with a field missing', '9103'],
    ['with a negative number', '9203ff'],
    ['with a fraction', '9203cb3ff8000000000000'],
    ['with a number that is none', '9203cb7ff8000000000000'],
    ['with an id that is no id', '940207a12fa163'],
    ['with an empty id', '940207a0a163'],
    ['with an id of 65 characters', `940207d941${'61'.repeat(65)}a163`],
    ['with an address with a space', '9504a162a3313a20cd03e800'],
    ['with epoch 0', '9504a162aa31302e302e302e313a620000'],
    ['with an epoch beyond the last', '9504a162aa31302e302e302e313a62cb434000000000000000'],
    ['with an incarnation beyond the last', `9504a162aa31302e302e302e313a62cd03e8ce${(incarnationMax + 1).toString(16).padStart(8, '0')}`],
    ['with metadata of version 0', '9704a162aa31302e302e302e313a62cd03e80000c4020102'],
    ['with a short hash', '9804a162aa31302e302e302e313a62cd03e80002cd0384c40100'],
    ['with text for bytes', '9409a162cd03e8a161'],
    ['with a flag of 2', '93010702'],
    ['with a flag that says nothing', '93010700'],
  ])('%s condemns the packet', (_, bytes) => expect(reasonOf(raw(1, bytes))).toBe('bad-message'));

  test('and so do two questions, whose answers would outweigh them', () => {
    const ping: WireMessage = { kind: 'ping', seq: 1, target: id('b'), view: 0 };
    expect(reasonOf(packetBytes(from, ping, ping))).toBe('bad-message');
  });

  test.each([
    ['metadata larger than allowed', { kind: 'metadata', epoch: 1, version: 1, bytes: new Uint8Array(limits.metadataBytesMax + 1) }],
    ['too few fingerprints', { kind: 'sync-buckets', fingerprints: [1, 2] }],
    ['a bucket that does not exist', { kind: 'sync-digest', buckets: [64], entries: [], more: false }],
  ] as [string, WireMessage][])('on a stream: %s', (_, message) => expect(reasonOf(packetBytes(from, message), 'stream')).toBe('bad-message'));
});

test('messages of streams are refused in datagrams and the other way round', () => {
  expect(reasonOf(packetBytes(from, { kind: 'sync-done' }))).toBe('misplaced');
  expect(reasonOf(packetBytes(from, { kind: 'nack', seq: 1 }), 'stream')).toBe('misplaced');
});

test('more than 256 messages in a datagram are too many', () => {
  const nacks = Array.from({ length: 257 }, (): WireMessage => ({ kind: 'nack', seq: 1 }));
  expect(reasonOf(packetBytes(from, ...nacks))).toBe('too-large');
  expect(reasonOf(packetBytes(from, ...nacks.slice(1)))).toBe('accepted');
});

test('what is decoded shares no memory with the bytes it came from', () => {
  const bytes = packetBytes(from, { kind: 'message', target: id('b'), epoch: 1, bytes: Uint8Array.of(1, 2, 3) });
  const outcome = decodePacket(bytes, header, 'datagram', limits);
  bytes.fill(0);
  expect(outcome).toMatchObject({ packet: { messages: [{ bytes: Uint8Array.of(1, 2, 3) }] } });
});

test('the overhead of a packet is what one with many messages takes besides them', () => {
  const nacks = Array.from({ length: 20 }, (): WireMessage => ({ kind: 'nack', seq: 1 }));
  expect(packetBytes(from, ...nacks).length - 20 * 3).toBe(packetOverhead(encodeSender(from)));
});
