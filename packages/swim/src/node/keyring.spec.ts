import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { generateKey, Keyring } from './keyring.js';

const first = generateKey();
const second = generateKey();

test('a rotation installs, uses and removes, in this order', () => {
  const ring = new Keyring(first);
  const [oldId] = ring.ids;
  const newId = ring.install(second);
  expect(ring.ids).toEqual([oldId, newId]);
  ring.use(newId);
  expect(ring.ids).toEqual([newId, oldId]);
  ring.remove(oldId as string);
  expect(ring.ids).toEqual([newId]);
});

test('the same key has the same id everywhere, as bytes and as text', () => {
  expect(new Keyring(Buffer.from(first, 'base64')).ids).toEqual(new Keyring(first).ids);
});

test('installing a key again changes nothing', () => {
  const ring = new Keyring(first, second);
  expect(ring.install(second)).toBe(ring.ids[1]);
  expect(ring.ids).toHaveLength(2);
});

test('the key in use cannot be removed, and unknown keys cannot be used', () => {
  const ring = new Keyring(first);
  expect(() => ring.remove(ring.ids[0] as string)).toThrow(/is in use/);
  expect(() => ring.use('00000000')).toThrow(/no key with the id 00000000/);
});

test('a key of another length is refused without being shown', () => {
  expect(() => new Keyring('c2VjcmV0')).toThrow(/this one has 6 bytes/);
  expect(() => new Keyring(new Uint8Array(16))).toThrow(/32 bytes/);
});

test('a ring is capped', () => {
  const ring = new Keyring(first);
  for (let i = 0; i < 15; i++) ring.install(generateKey());
  expect(() => ring.install(generateKey())).toThrow(/at most 16/);
});

test('keys show up neither in JSON nor when inspected', () => {
  const ring = new Keyring(first);
  const hex = Buffer.from(first, 'base64').toString('hex');
  const shown = [JSON.stringify({ ring }), inspect(ring, { depth: 9, showHidden: true })].join();
  for (const secret of [first, hex, hex.slice(0, 16)]) expect(shown).not.toContain(secret);
});
