import { parseClusterId } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { sealedConversations } from './conversation.js';
import { plainDatagrams, sealedDatagrams } from './datagram-guard.js';
import { generateKey, Keyring } from './keyring.js';
import { Seal, sealOverheadBytes } from './seal.js';

const orders = parseClusterId('orders');
const key = generateKey();
const packet = Buffer.from('a packet of some length');
const datagramsOf = (ring = new Keyring(key), cluster = orders) => sealedDatagrams(new Seal(ring, cluster));
const reasonOf = (opened: { kind: string; reason?: string }) => opened.reason ?? opened.kind;

describe('a datagram', () => {
  test('is opened by whoever has the key, and its length grows by what was stated', () => {
    const sealed = datagramsOf().seal(packet);
    expect(sealed.length).toBe(packet.length + sealOverheadBytes);
    expect(Buffer.from(sealed).includes(packet)).toBe(false);
    expect(datagramsOf().open(sealed)).toEqual({ kind: 'opened', bytes: packet });
  });

  test('is opened once only', () => {
    const receiver = datagramsOf();
    const sealed = datagramsOf().seal(packet);
    expect([receiver.open(sealed), receiver.open(sealed)].map(reasonOf)).toEqual(['opened', 'replayed']);
  });

  test('is not opened by its sender, to whom somebody sent it back', () => {
    const sender = datagramsOf();
    expect(sender.open(sender.seal(packet))).toEqual({ kind: 'rejected', reason: 'replayed' });
  });

  test('with any single byte changed, or cut short anywhere, is refused and uses nothing up', () => {
    const receiver = datagramsOf();
    const sealed = datagramsOf().seal(packet);
    for (let at = 0; at < sealed.length; at++) {
      const changed = Uint8Array.from(sealed);
      changed[at] = (changed[at] as number) ^ 1;
      expect(receiver.open(changed).kind).toBe('rejected');
      expect(receiver.open(sealed.subarray(0, at)).kind).toBe('rejected');
    }
    expect(receiver.open(sealed).kind).toBe('opened');
  });

  test.each([
    ['not-sealed', () => packet],
    ['not-sealed', () => new Uint8Array(0)],
    ['too-large', () => datagramsOf().seal(new Uint8Array(8_193))],
    ['seal-version', () => datagramsOf().seal(packet).fill(9, 2, 3)],
    ['other-cluster', () => datagramsOf(new Keyring(key), parseClusterId('billing')).seal(packet)],
    ['unknown-key', () => datagramsOf(new Keyring(generateKey())).seal(packet)],
    ['not-authentic', () => datagramsOf().seal(packet).fill(9, 40)],
  ] as const)('is refused as %s', (reason, make) => {
    expect(datagramsOf().open(make())).toEqual({ kind: 'rejected', reason });
  });

  test('of a sealing cluster is told apart by those who use no keys', () => {
    expect(plainDatagrams.open(datagramsOf().seal(packet))).toEqual({ kind: 'rejected', reason: 'sealed' });
    expect(plainDatagrams.open(packet)).toEqual({ kind: 'opened', bytes: packet });
  });

  test('passes at every moment of a rotation, and no longer under the old key after it', () => {
    const rings = [new Keyring(key), new Keyring(key)] as const;
    const [a, b] = [datagramsOf(rings[0]), datagramsOf(rings[1])];
    const talk = () => [b.open(a.seal(packet)).kind, a.open(b.seal(packet)).kind];
    const next = generateKey();
    const recorded = a.seal(packet);
    const steps = [(r: Keyring) => void r.install(next), (r: Keyring) => r.use(r.install(next)), (r: Keyring) => r.remove(new Keyring(key).ids[0] as string)];
    for (const step of steps) {
      for (const ring of rings) {
        step(ring);
        expect(talk()).toEqual(['opened', 'opened']);
      }
    }
    expect(b.open(recorded)).toEqual({ kind: 'rejected', reason: 'unknown-key' });
  });
});

describe('a conversation', () => {
  const pair = () => {
    const [opener, acceptor] = [sealedConversations(new Seal(new Keyring(key), orders)).open(), sealedConversations(new Seal(new Keyring(key), orders)).accept()];
    expect(acceptor.greeting.length).toBe(opener.greetingBytes);
    opener.greeted(acceptor.greeting);
    return { opener, acceptor };
  };

  test('carries frames both ways, in order', () => {
    const { opener, acceptor } = pair();
    for (let round = 0; round < 3; round++) {
      expect(acceptor.open(opener.seal(packet))).toEqual({ kind: 'opened', bytes: packet });
      expect(opener.open(acceptor.seal(packet))).toEqual({ kind: 'opened', bytes: packet });
    }
  });

  test('that was recorded opens nothing in another one', () => {
    const recorded = pair();
    const first = recorded.opener.seal(packet);
    recorded.acceptor.open(first);
    const answer = recorded.acceptor.seal(packet);

    const later = pair();
    expect(reasonOf(later.acceptor.open(first))).toBe('not-authentic');
    later.opener.seal(packet);
    expect(reasonOf(later.opener.open(answer))).toBe('not-authentic');
  });

  test('with the same challenge twice still does not take an answer for another question', () => {
    const conversations = sealedConversations(new Seal(new Keyring(key), orders), () => new Uint8Array(16));
    const [one, other] = [conversations.open(), conversations.open()];
    const acceptor = conversations.accept();
    for (const opener of [one, other]) opener.greeted(acceptor.greeting);
    acceptor.open(one.seal(packet));
    other.seal(packet);
    expect(reasonOf(other.open(acceptor.seal(packet)))).toBe('not-authentic');
  });

  test('does not bear frames repeated, left out, reflected, or taken from datagrams', () => {
    const { opener, acceptor } = pair();
    const [first, second, third] = [opener.seal(packet), opener.seal(packet), opener.seal(packet)];
    expect(reasonOf(opener.open(first))).toBe('not-authentic');
    expect(reasonOf(acceptor.open(second))).toBe('not-authentic');
    expect(reasonOf(acceptor.open(first))).toBe('opened');
    expect(reasonOf(acceptor.open(first))).toBe('not-authentic');
    expect(reasonOf(acceptor.open(third))).toBe('not-authentic');
    expect(reasonOf(acceptor.open(datagramsOf().seal(packet)))).toBe('not-authentic');
    expect(reasonOf(datagramsOf().open(opener.seal(packet)))).toBe('not-authentic');
  });
});
