import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instant, parseNodeId, Random, wake } from '@engram/kernel';
import { isLinearizable } from '../../test/exhaustive-register-checker.js';
import { registerViolation, type RegisterOperation } from '../../test/register-checker.js';
import { registerBugs, runRegister, type RegisterBug } from '../../test/register-world.js';
import { Acceptor, bytesCodec, decodeAcceptorState, decodeRegisterMessage, encodeAcceptorState, encodeRegisterMessage, firstState, Proposer, type Ballot, type ProposerEffect, type RegisterMessage, type RegisterState, type Voter } from './index.js';

const at = (ms: number) => instant(ms * 1_000);
const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((id): Voter => ({ id: parseNodeId(id), storageId: `disk-${id}` })) as [Voter, Voter, Voter, Voter];
const ballot = (round: number, proposer = 'p'): Ballot => ({ round, proposer });
const first = (): RegisterState<string> => firstState('first', [a, b, c]).accepted!.state;

describe('an acceptor', () => {
  const acceptor = () => new Acceptor<string>('disk-a', firstState('first', [a, b, c]));
  const ask = (round: number) => ({ kind: 'request-received', from: b.id, request: { kind: 'prepare', storageId: 'disk-a', ballot: ballot(round), votersVersion: 1 } }) as const;

  test('answers only when what it answers is durable', () => {
    const voter = acceptor();
    expect(voter.handle(ask(5), at(0)).map(({ kind }) => kind)).toEqual(['persist']);
    // A refusal tells of a promise, so it waits as well.
    expect(voter.handle(ask(4), at(1))).toEqual([]);
    const answers = voter.handle({ kind: 'persisted' }, at(2));
    expect(answers.map((effect) => effect.kind === 'send' && effect.reply.kind)).toEqual(['promise', 'refused']);
  });

  test('has one write for all that came while the disk was busy', () => {
    const voter = acceptor();
    voter.handle(ask(1), at(0));
    for (let round = 2; round <= 9; round++) expect(voter.handle(ask(round), at(0))).toEqual([]);
    const effects = voter.handle({ kind: 'persisted' }, at(1));
    expect(effects.map(({ kind }) => kind)).toEqual(['send', 'persist']);
    expect(voter.handle({ kind: 'persisted' }, at(2))).toHaveLength(8);
  });

  test('falls silent for good when the disk fails', () => {
    const voter = acceptor();
    voter.handle(ask(1), at(0));
    expect(voter.handle({ kind: 'persist-failed' }, at(1))).toEqual([]);
    expect(voter.handle(ask(2), at(2))).toEqual([]);
  });

  test('does not vote for the disk that its node had before', () => {
    const voter = new Acceptor<string>('new-disk', undefined);
    const [effect] = voter.handle(ask(1), at(0));
    expect(effect).toMatchObject({ kind: 'send', reply: { kind: 'refused', reason: 'other-disk' } });
  });

  test('turns away whoever builds on voters that were replaced, and shows the new ones', () => {
    const state = { ...first(), version: 4, votersVersion: 4, voters: [a, b] };
    const voter = new Acceptor<string>('disk-a', { promised: ballot(3), accepted: { ballot: ballot(3), state } });
    const [effect] = voter.handle(ask(9), at(0));
    expect(effect).toMatchObject({ kind: 'send', reply: { kind: 'refused', reason: 'older-voters', accepted: { state: { voters: [a, b] } } } });
  });

  test('holds a thousand answers back and no more', () => {
    const voter = acceptor();
    voter.handle(ask(1), at(0));
    for (let round = 2; round <= 3_000; round++) voter.handle(ask(round), at(0));
    voter.handle({ kind: 'persisted' }, at(1));
    expect(voter.handle({ kind: 'persisted' }, at(2))).toHaveLength(1_024);
  });
});

describe('a proposer', () => {
  const proposer = () => new Proposer<string>(a.id, Random.fromSeed(1), { voters: [a, b, c], previousVoters: undefined, votersVersion: 1 });
  const change = { kind: 'change', request: 1, expectedVersion: 1, value: 'second' } as const;
  const sends = (effects: readonly ProposerEffect<string>[]) => effects.flatMap((effect) => (effect.kind === 'send' ? [{ to: effect.to, ...effect.request }] : []));
  const ballotOf = (effects: readonly ProposerEffect<string>[]): Ballot => sends(effects)[0]!.ballot;
  const promise = (voter: Voter, of: Ballot, state: RegisterState<string>, acceptedIn = ballot(0, '')) =>
    ({ kind: 'reply-received', from: voter.id, reply: { kind: 'promise', storageId: voter.storageId, ballot: of, accepted: { ballot: acceptedIn, state } } }) as const;
  const accepted = (voter: Voter, of: Ballot) => ({ kind: 'reply-received', from: voter.id, reply: { kind: 'accepted', storageId: voter.storageId, ballot: of } }) as const;

  test('makes a change in two rounds of a majority', () => {
    const core = proposer();
    const attempt = ballotOf(core.handle(change, at(0)));
    expect(core.handle(promise(a, attempt, first()), at(1))).toEqual([]);
    const accepts = sends(core.handle(promise(b, attempt, first()), at(2)));
    expect(accepts.map(({ kind, to }) => [kind, to])).toEqual([['accept', 'a'], ['accept', 'b'], ['accept', 'c']]);
    core.handle(accepted(a, attempt), at(3));
    expect(core.handle(accepted(c, attempt), at(4))).toMatchObject([{ kind: 'completed', request: 1, state: { version: 2, value: 'second' } }]);
    expect(core.nextWake()).toBeUndefined();
  });

  test('finishes a change of voters that it found, as it is, before it makes its own', () => {
    const core = proposer();
    const unfinished = { ...first(), version: 2, value: 'theirs', change: 'x', voters: [a, b, c, d], previousVoters: [a, b, c], votersVersion: 2 };
    const attempt = ballotOf(core.handle({ ...change, expectedVersion: 2 }, at(0)));
    // One more to ask: the new voter. Two of three old ones are a majority of those, but not of the four.
    expect(sends(core.handle(promise(a, attempt, unfinished, ballot(1, 'x')), at(1))).map(({ to }) => to)).toEqual(['d']);
    expect(core.handle(promise(b, attempt, first()), at(1))).toEqual([]);
    const accepts = sends(core.handle(promise(d, attempt, first()), at(1)));
    expect(accepts[0]).toMatchObject({ kind: 'accept', state: unfinished });
    core.handle(accepted(a, attempt), at(2));
    core.handle(accepted(d, attempt), at(2));
    // Chosen: a new attempt builds on it.
    expect(sends(core.handle(accepted(b, attempt), at(2))).map(({ kind }) => kind)).toEqual(['prepare', 'prepare', 'prepare', 'prepare']);
  });

  test('says that it is indeterminate when a voter may have accepted, and unavailable when none can have', () => {
    const core = proposer();
    core.handle({ ...change, timeoutMs: 300 }, at(0));
    core.handle(wake, at(250));
    expect(core.handle(wake, at(300))).toEqual([{ kind: 'refused', request: 1, refusal: { kind: 'unavailable' } }]);
    const attempt = ballotOf(core.handle({ ...change, request: 2, timeoutMs: 300 }, at(300)));
    core.handle(promise(a, attempt, first()), at(301));
    core.handle(promise(b, attempt, first()), at(301));
    core.handle(wake, at(551));
    expect(core.handle(wake, at(600)).at(0)).toEqual({ kind: 'refused', request: 2, refusal: { kind: 'indeterminate', current: undefined } });
  });

  test('refuses to replace two voters at once, with the reason', () => {
    const core = proposer();
    const attempt = ballotOf(core.handle({ ...change, voters: [a, d] }, at(0)));
    core.handle(promise(a, attempt, first()), at(1));
    core.handle(promise(b, attempt, first()), at(1));
    core.handle(accepted(a, attempt), at(2));
    const [effect] = core.handle(accepted(b, attempt), at(2));
    expect(effect).toMatchObject({ refusal: { kind: 'bad-voters', problem: 'voters change one at a time, not 1 added and 2 removed' } });
  });

  test('has so many requests wait and no more', () => {
    const core = proposer();
    for (let request = 0; request < 65; request++) core.handle({ kind: 'read', request }, at(0));
    expect(core.handle({ kind: 'read', request: 'late' }, at(0))).toEqual([{ kind: 'refused', request: 'late', refusal: { kind: 'overloaded' } }]);
  });

  test('ignores a vote counted already, a vote of nobody it asked and a vote of another attempt', () => {
    const core = proposer();
    const attempt = ballotOf(core.handle(change, at(0)));
    core.handle(promise(a, attempt, first()), at(1));
    expect(core.handle(promise(a, attempt, first()), at(1))).toEqual([]);
    expect(core.handle(promise({ ...b, storageId: 'another' }, attempt, first()), at(1))).toEqual([]);
    expect(core.handle(promise(b, ballot(1, 'somebody'), first()), at(1))).toEqual([]);
  });
});

describe('on the wire', () => {
  const bytes = Uint8Array.of(1, 2, 3);
  const state = { version: 3, value: bytes, change: 'p#1', voters: [a, b], previousVoters: [a], votersVersion: 3 };
  const at7 = { storageId: 'disk-a', ballot: ballot(7) };
  const messages: RegisterMessage<Uint8Array>[] = [
    { to: 'acceptor', request: { kind: 'prepare', ...at7, votersVersion: 2 } },
    { to: 'acceptor', request: { kind: 'accept', ...at7, state } },
    { to: 'acceptor', request: { kind: 'read', ...at7, votersVersion: 0 } },
    { to: 'proposer', reply: { kind: 'promise', ...at7, accepted: undefined } },
    { to: 'proposer', reply: { kind: 'accepted', ...at7 } },
    { to: 'proposer', reply: { kind: 'readout', ...at7, accepted: { ballot: ballot(6), state } } },
    { to: 'proposer', reply: { kind: 'refused', ...at7, reason: 'older-voters', promised: ballot(9), accepted: { ballot: ballot(6), state } } },
  ];

  test.each(messages)('a message reads as it was written: %j', (message) => {
    expect(decodeRegisterMessage(encodeRegisterMessage(message, bytesCodec), bytesCodec)).toEqual({ kind: 'decoded', message });
  });

  test('the bytes of version 1 stay what they are', () => {
    const hex = (each: Uint8Array): string => Array.from(each, (byte) => byte.toString(16).padStart(2, '0')).join('');
    expect(hex(encodeRegisterMessage(messages[0]!, bytesCodec))).toBe('019400a66469736b2d61920 7a17002'.replace(' ', ''));
    expect(hex(encodeRegisterMessage(messages[1]!, bytesCodec))).toBe('019401a66469736b2d619207a1709603c403010203a370233192 92a161a66469736b2d6192a162a66469736b2d629192a161a66469736b2d6103'.replace(' ', ''));
  });

  test('a stored state reads as it was written', () => {
    const stored = { promised: ballot(8), accepted: { ballot: ballot(7), state } };
    expect(decodeAcceptorState(encodeAcceptorState(stored, bytesCodec), bytesCodec)).toEqual({ kind: 'decoded', message: stored });
  });

  test('whatever the bytes, they are decoded or rejected, and never thrown at', () => {
    fc.assert(fc.property(fc.constantFrom(...messages), fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { minLength: 1, maxLength: 4 }), (message, flips) => {
      const damaged = encodeRegisterMessage(message, bytesCodec).slice();
      for (const [place, byte] of flips) damaged[place % damaged.length] = byte;
      expect(['decoded', 'rejected']).toContain(decodeRegisterMessage(damaged, bytesCodec).kind);
    }), { numRuns: 3_000 });
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
      expect(decodeRegisterMessage(Uint8Array.of(1, ...noise), bytesCodec).kind).toBe('rejected');
    }), { numRuns: 1_000 });
  });
});

describe('simulated', () => {
  test('forty-five histories are linearizable, and far from empty', () => {
    const runs = Array.from({ length: 45 }, (_, seed) => runRegister(seed + 1));
    expect(runs.map(({ violation }) => violation)).toEqual(runs.map(() => undefined));
    const sum = (of: 'answered' | 'changes' | 'voterChanges'): number => runs.reduce((total, run) => total + run[of], 0);
    expect([sum('answered') > 2_500, sum('changes') > 600, sum('voterChanges') > 150]).toEqual([true, true, true]);
    // Alive again at the end, wherever enough voters kept their disks.
    expect(runs.filter(({ recovered, quorumLeft }) => quorumLeft && !recovered)).toEqual([]);
  }, 60_000);

  test('a seed replays', () => expect(runRegister(9).hash).toBe(runRegister(9).hash), 20_000);

  /** For each bug a seed that shows it; `register-sweep --bug` finds others. */
  const seedOf: Record<RegisterBug, number> = { 'forget-promises': 439, 'skip-the-durable-write': 4, 'voters-known-at-birth': 471, 'half-is-enough': 1, 'read-locally': 1, 'vote-from-amnesia': 123 };
  test.each(registerBugs)('the checker notices a register that does this: %s', (bug) => {
    expect(runRegister(seedOf[bug], bug).violation).toBeDefined();
    expect(runRegister(seedOf[bug]).violation).toBeUndefined();
  }, 20_000);
});

test('the checker agrees with one that tries every order', () => {
  const seen = fc.record({ version: fc.integer({ min: 1, max: 4 }), value: fc.constantFrom('first', 'v0', 'v1', 'v2', 'v3') });
  const shape = fc.record({ write: fc.boolean(), expected: fc.integer({ min: 1, max: 3 }), from: fc.nat(8), lasts: fc.nat(6), result: fc.constantFrom('ok', 'ok', 'failed', 'unknown', 'none'), seen, sees: fc.boolean() });
  let linearizable = 0;
  fc.assert(fc.property(fc.array(shape, { minLength: 1, maxLength: 5 }), (shapes) => {
    const history = shapes.map((each, id): RegisterOperation => {
      const write = each.write ? { expectedVersion: each.expected, value: `v${id}` } : undefined;
      // Ends at odd ticks, begins at even ones, so that none are equal.
      const invoked = each.from * 20 + 2 * id;
      const operation = { id, client: 'c', invoked, write };
      if (each.result === 'none') return operation;
      const result = write === undefined && each.result === 'failed' ? 'ok' : (each.result as 'ok' | 'failed' | 'unknown');
      const told = result === 'ok' ? (write ? { version: each.expected + 1, value: write.value } : each.seen) : result === 'failed' && each.sees ? each.seen : undefined;
      return { ...operation, answer: { at: invoked + each.lasts * 20 + 1, result, seen: told } };
    });
    const judged = registerViolation(history, 'first') === undefined;
    if (judged) linearizable++;
    expect(judged).toBe(isLinearizable(history, 'first'));
  }), { numRuns: 4_000 });
  expect(linearizable).toBeGreaterThan(400);
});
