import { hlcFromBigInt, Random, type ClusterId, type NodeId } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeMessage, messageBytesMax } from './codec.js';
import type { WireMessage } from './wire.js';

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
const unhex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const node = 'a' as NodeId;
const lineage = [{ epoch: 1, firstSeq: 1 }, { epoch: 3, firstSeq: 8 }];
const entry = { epoch: 3, hlc: hlcFromBigInt(0x0000_018b_cfe5_6800_0001n), origin: node, payload: Uint8Array.of(9, 8), checksum: 0xdeadbeef };

/** What version 1 puts on the wire, for good: whoever changes these bytes raises the version. */
const golden: readonly [WireMessage, string][] = [
  [{ kind: 'hello', clusterId: 'orders' as ClusterId, nodeId: node, storageId: 's1' }, '4552019400a66f7264657273a161a27331'],
  [{ kind: 'goodbye', reason: 'other-version', ours: '1', theirs: '2' }, '455201940101a131a132'],
  [{ kind: 'lineages', items: [{ partition: 7, epoch: 3, seq: 9, committed: 8, lineage }] }, '455201920291950703090892920101920308'],
  [{ kind: 'positions', items: [{ partition: 7, epoch: 3, seq: 9, resume: undefined }] }, '45520192039194070309c0'],
  [{ kind: 'positions', items: [{ partition: 7, epoch: 3, seq: 2, resume: { at: { epoch: 1, seq: 5 }, cursor: 'k', chunks: 2, checksum: 17 } }] }, '45520192039194070302950105a16b0211'],
  [{ kind: 'entries', groups: [{ partition: 7, epoch: 3, firstSeq: 9, prevEpoch: 3, committed: 5, entries: [entry] }] }, '455201920491960703090305919603ce018bcfe5ce68000001a161c4020908cedeadbeef'],
  [{ kind: 'appended', items: [{ partition: 7, epoch: 3, seq: 2 ** 40 }] }, '455201920591930703cb4270000000000000'],
  [{ kind: 'refused', partition: 7, epoch: 3, reason: 'corrupt', promised: 4, seq: 9 }, '45520196060703030409'],
  [{ kind: 'fence', partition: 7, epoch: 3 }, '45520193070703'],
  [{ kind: 'fenced', partition: 7, epoch: 3, granted: true, promised: 3, seq: 9, lineage }, '4552019708070301030992920101920308'],
  [{ kind: 'offer', partition: 7, epoch: 3, id: 1, entries: [{ ...entry, epoch: 2, seq: 6 }] }, '4552019509070301919702ce018bcfe5ce68000001a161c4020908cedeadbeef06'],
  [{ kind: 'offered', partition: 7, epoch: 3, id: 1 }, '455201940a070301'],
  [{ kind: 'snapshot-begin', partition: 7, epoch: 3, seq: 9, lineage, takenUp: [{ epoch: 2, from: 6, to: 7, at: 9 }], cursor: '' }, '455201970b07030992920101920308919402060709a0'],
  [{ kind: 'snapshot-chunk', partition: 7, epoch: 3, cursor: '', next: 'k', bytes: Uint8Array.of(1, 2), checksum: 17 }, '455201970c0703a0a16bc402010211'],
  [{ kind: 'snapshot-end', partition: 7, epoch: 3, chunks: 1, checksum: 17 }, '455201950d07030111'],
  [{ kind: 'snapshot-ack', partition: 7, epoch: 3, cursor: 'k', outcome: 'ok' }, '455201950e0703a16b00'],
  [{ kind: 'heartbeat', items: [{ partition: 7, epoch: 3, committed: 8, seq: 9 }] }, '455201920f919407030809'],
];

describe('the bytes of version 1', () => {
  test.each(golden.map(([message, bytes]) => [message.kind, message, bytes] as const))('of %s', (_kind, message, bytes) => {
    expect(hex(encodeMessage(message))).toBe(bytes);
    expect(decodeMessage(unhex(bytes))).toEqual({ kind: 'message', message });
  });
});

describe('turned away', () => {
  const good = encodeMessage({ kind: 'fence', partition: 7, epoch: 3 });
  const outcome = (bytes: Uint8Array): string => decodeMessage(bytes).kind;

  test('another version, by its number and before anything is parsed', () => {
    expect(decodeMessage(Uint8Array.of(0x45, 0x52, 2, 0xc1))).toEqual({ kind: 'other-version', theirs: 2 });
  });

  test.each([
    ['nothing', ''],
    ['another protocol', '535701930701'],
    ['no message', '455201'],
    ['two messages', hex(good) + '90'],
    ['a message cut short', hex(good).slice(0, -2)],
    ['an unknown number', '4552019163'],
    ['a list that claims four thousand million items', '45520192ddffffffff'],
    ['nesting beyond what any message has', '45520192919191919191'],
    ['a map', '45520181a16101'],
    ['an extension', '455201d60000000000'],
    ['a field too many', '4552019407070301'],
    ['epoch 0', '45520193070700'],
    ['a fraction for a number', '4552019307cb3fe000000000000003'],
    ['a node id that breaks the rule', hex(encodeMessage({ kind: 'hello', clusterId: 'c' as ClusterId, nodeId: '../x' as NodeId, storageId: 's' }))],
    ['a lineage that does not begin at its first entry', hex(encodeMessage({ kind: 'fenced', partition: 1, epoch: 3, granted: true, promised: 3, seq: 9, lineage: [{ epoch: 1, firstSeq: 2 }] }))],
    ['a lineage whose epochs go back', hex(encodeMessage({ kind: 'fenced', partition: 1, epoch: 3, granted: true, promised: 3, seq: 9, lineage: [{ epoch: 3, firstSeq: 1 }, { epoch: 2, firstSeq: 4 }] }))],
  ])('%s', (_name, bytes) => expect(outcome(unhex(bytes))).toBe('malformed'));

  test('more bytes than any message has', () => {
    const bytes = new Uint8Array(messageBytesMax + 1);
    bytes.set(good);
    expect(outcome(bytes)).toBe('malformed');
  });
});

test('whatever bytes arrive, decoding answers and never throws, and what it lets through can be sent again', () => {
  const random = Random.fromSeed('replication codec');
  let accepted = 0;
  for (let run = 0; run < 20_000; run++) {
    const bytes = Uint8Array.from(encodeMessage(random.pick(golden)[0]));
    // The first three bytes only choose between versions; what follows is where parsing can go wrong.
    for (let flips = 1 + random.below(3); flips > 0; flips--) bytes[3 + random.below(bytes.length - 3)] = random.below(256);
    const cut = random.chance(0.2) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
    const outcome = decodeMessage(cut);
    if (outcome.kind !== 'message') continue;
    accepted++;
    expect(decodeMessage(encodeMessage(outcome.message))).toEqual(outcome);
  }
  expect(accepted).toBeGreaterThan(1_000);
});

test('a decoded entry shares no memory with the bytes it came in', () => {
  const bytes = encodeMessage({ kind: 'entries', groups: [{ partition: 7, epoch: 3, firstSeq: 9, prevEpoch: 3, committed: 5, entries: [entry] }] });
  const outcome = decodeMessage(bytes);
  bytes.fill(0);
  expect(outcome).toMatchObject({ message: { groups: [{ entries: [{ payload: Uint8Array.of(9, 8) }] }] } });
});
