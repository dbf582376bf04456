import { describe, expect, test } from 'vitest';
import { EngramError } from '@engram/kernel';
import { addressOf, Bench, claim, epochOfTests, id, identity, kindsOf, readable, said } from '../../test/swim-fixtures.js';
import { checkMetadata, metadataHash } from './metadata.js';

const small = Uint8Array.of(1, 2, 3);
const large = new Uint8Array(1_000).fill(7);
const inline = (version: number, bytes: Uint8Array) => ({ version, bytesLength: bytes.length, bytes, hash: undefined });
const hashed = (version: number, bytes: Uint8Array) => ({ version, bytesLength: bytes.length, bytes: undefined, hash: metadataHash(bytes) });

test('metadata over the limit is a typed error that says both sizes', () => {
  expect(() => checkMetadata(new Uint8Array(11), { metadataBytesMax: 10 })).toThrow(EngramError);
  expect(() => checkMetadata(new Uint8Array(11), { metadataBytesMax: 10 })).toThrow('metadata of 11 bytes is larger than the 10 allowed');
  expect(() => checkMetadata(new Uint8Array(10), { metadataBytesMax: 10 })).not.toThrow();
});

describe('our own', () => {
  test('travels with the news when it is small', () => {
    const bench = new Bench({}, 'a', small);
    bench.give({ kind: 'join', request: 1 });
    bench.datagram(identity('b'), claim('b'));
    expect(said(bench.runMs(250), 'claim').map(({ message }) => message)).toContainEqual(claim('a', 'alive', { metadata: inline(1, small) }));
  });

  test('travels by its hash when it is large', () => {
    const bench = new Bench({}, 'a', large);
    bench.give({ kind: 'join', request: 1 });
    bench.datagram(identity('b'), claim('b'));
    expect(said(bench.runMs(250), 'claim').map(({ message }) => message)).toContainEqual(claim('a', 'alive', { metadata: hashed(1, large) }));
  });

  test('is announced under a higher incarnation and version when it changes', () => {
    const bench = Bench.joined(['b']);
    expect(kindsOf(bench.give({ kind: 'set-metadata', request: 7, bytes: small }))).toEqual(['member-updated', 'request-completed']);
    expect(bench.core.self()).toMatchObject({ incarnation: 1, metadata: { version: 1, bytes: small } });
    expect(said(bench.runMs(250), 'claim').map(({ message }) => message)).toContainEqual(claim('a', 'alive', { incarnation: 1, metadata: inline(1, small) }));
  });

  test('is handed out to whoever asks for this life of ours, and nothing else is', () => {
    const bench = new Bench({}, 'a', large);
    bench.give({ kind: 'join', request: 1 });
    expect(readable(bench.frame(-1, identity('b'), { kind: 'metadata-pull', epoch: epochOfTests, version: 1 }))).toEqual([{ kind: 'send-stream', stream: -1, says: [{ kind: 'metadata', epoch: epochOfTests, version: 1, bytes: large }] }]);
    expect(kindsOf(bench.frame(-2, identity('b'), { kind: 'metadata-pull', epoch: epochOfTests + 1, version: 1 }))).toEqual(['close-stream']);
  });
});

describe('of others', () => {
  test('that is small is there at once', () => {
    const bench = Bench.joined([]);
    bench.datagram(identity('b'), claim('b', 'alive', { metadata: inline(1, small) }));
    expect(bench.core.member(id('b'))?.metadata).toEqual({ version: 1, bytesLength: 3, bytes: small });
  });

  function announced() {
    const bench = Bench.joined([], { gossipMs: 100, periodMs: 60_000 });
    bench.datagram(identity('b'), claim('b', 'alive', { metadata: hashed(1, large) }));
    const pull = readable(bench.runMs(100)).find(({ kind }) => kind === 'open-stream');
    return { bench, stream: pull?.stream as number, pull };
  }

  test('that is large is pulled from its owner, and told once it is there', () => {
    const { bench, stream, pull } = announced();
    expect(pull).toMatchObject({ to: addressOf('b'), says: [{ kind: 'metadata-pull', epoch: epochOfTests, version: 1 }] });
    expect(bench.core.member(id('b'))?.metadata).toEqual({ version: 1, bytesLength: 1_000 });
    expect(readable(bench.frame(stream, identity('b'), { kind: 'metadata', epoch: epochOfTests, version: 1, bytes: large }))).toMatchObject([{ kind: 'close-stream', stream }, { kind: 'member-updated', member: { metadata: { version: 1, bytes: large } } }]);
  });

  test('that does not fit its hash, or comes from somebody else, is not taken', () => {
    const { bench, stream } = announced();
    expect(kindsOf(bench.frame(stream, identity('b'), { kind: 'metadata', epoch: epochOfTests, version: 1, bytes: small }))).toEqual(['close-stream']);
    const other = announced();
    expect(kindsOf(other.bench.frame(other.stream, identity('c'), { kind: 'metadata', epoch: epochOfTests, version: 1, bytes: large }))).toEqual(['close-stream']);
  });

  test('is pulled again after a failure', () => {
    const { bench, stream } = announced();
    bench.give({ kind: 'stream-closed', stream, reason: 'reset' });
    const pulled = readable(bench.runWellMs(6 * 60_000)).filter(({ kind, says }) => kind === 'open-stream' && JSON.stringify(says).includes('metadata-pull'));
    expect(pulled).not.toEqual([]);
  });

  test('stays with a suspect, and an older version never replaces a newer one', () => {
    const bench = Bench.joined([]);
    bench.datagram(identity('b', 1), claim('b', 'alive', { incarnation: 1, metadata: inline(2, small) }));
    bench.datagram(identity('c'), claim('b', 'suspect', { incarnation: 1 }), claim('b', 'alive', { metadata: inline(1, Uint8Array.of(9)) }));
    expect(bench.core.member(id('b'))).toMatchObject({ state: 'suspect', metadata: { version: 2, bytes: small } });
  });

  test('that was missed comes with an older claim of the same life', () => {
    const bench = Bench.joined([]);
    bench.datagram(identity('c'), claim('b', 'suspect'), claim('b', 'alive', { metadata: inline(1, small) }));
    expect(bench.core.member(id('b'))).toMatchObject({ state: 'suspect', metadata: { version: 1, bytes: small } });
  });
});
