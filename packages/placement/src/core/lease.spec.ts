import { describe, expect, test } from 'vitest';
import { instant, parseNodeId, wake } from '@engram/kernel';
import { leaseBugs, runLease, type LeaseBug } from '../../test/lease-world.js';
import { LeaseGranter, LeaseHolder, type LeaseReply, type Voter } from './index.js';

const at = (ms: number) => instant(ms * 1_000);
const [a, b, c] = ['a', 'b', 'c'].map((id): Voter => ({ id: parseNodeId(id), storageId: `disk-${id}` })) as [Voter, Voter, Voter];
const electorate = { voters: [a, b, c], previousVoters: undefined };
const x = parseNodeId('x');
const options = { driftPpm: 0 };

describe('a holder', () => {
  const holder = () => {
    const core = new LeaseHolder(x, options);
    core.handle({ kind: 'map-learned', mapEpoch: 3, electorate }, at(10_000));
    return core;
  };
  const granted = (attempt: number, more: Partial<Extract<LeaseReply, { kind: 'granted' }>> = {}): LeaseReply => ({ kind: 'granted', attempt, mapEpoch: 3, others: [], unknownForMs: 0, ...more });
  const hears = (core: LeaseHolder, from: Voter, reply: LeaseReply, ms: number) => core.handle({ kind: 'reply-received', from, reply }, at(ms));

  test('holds its lease from when a majority has granted it, counted from before it asked', () => {
    const core = holder();
    expect(hears(core, a, granted(1), 10_100)).toEqual([]);
    expect(core.holdsLease(at(10_100))).toBe(false);
    expect(hears(core, b, granted(1), 10_300)).toEqual([{ kind: 'lease-held' }]);
    expect(core.holdsLease(at(11_999))).toBe(true);
    expect(core.holdsLease(at(12_000))).toBe(false);
  });

  test('says so when its lease has run out, and renews it every half second until then', () => {
    const core = holder();
    hears(core, a, granted(1), 10_000);
    hears(core, b, granted(1), 10_000);
    expect(core.nextWake()).toBe(at(10_500));
    expect(core.handle(wake, at(10_500))).toHaveLength(3);
    expect(core.handle(wake, at(12_000)).map(({ kind }) => kind)).toEqual(['lease-lost', 'send', 'send', 'send']);
  });

  test('takes over only when a majority, having heard of the new map, has nothing left of the deposed one', () => {
    const core = holder();
    const placement = { epoch: 2, primary: x, replicas: [], deposed: { nodes: [parseNodeId('old')], since: 3 } };
    hears(core, a, granted(1, { others: [{ node: parseNodeId('old'), runsOutInMs: 700 }] }), 10_000);
    hears(core, b, granted(1), 10_000);
    // A start is followed by one whole lease, since nothing is known of voters before it; then the words of voters count.
    core.handle(wake, at(11_900));
    hears(core, a, granted(2), 11_900);
    hears(core, b, granted(2), 11_900);
    expect([core.mayAcknowledge(placement, at(11_950)), core.mayAcknowledge(placement, at(12_000))]).toEqual([false, true]);
    core.handle({ kind: 'map-learned', mapEpoch: 4, electorate }, at(12_500));
    const later = { ...placement, epoch: 3, deposed: { nodes: [parseNodeId('old')], since: 4 } };
    expect(core.mayAcknowledge(later, at(12_500))).toBe(false);
    hears(core, b, granted(3, { mapEpoch: 4 }), 12_510);
    hears(core, a, granted(3, { mapEpoch: 4, others: [{ node: parseNodeId('old'), runsOutInMs: 300 }] }), 12_510);
    expect([core.mayAcknowledge(later, at(12_800)), core.mayAcknowledge(later, at(12_810))]).toEqual([false, true]);
  });

  test('acknowledges nothing once it has resigned', () => {
    const core = holder();
    hears(core, a, granted(1), 10_000);
    hears(core, b, granted(1), 10_000);
    expect(core.handle({ kind: 'resigned' }, at(10_001))).toEqual([{ kind: 'lease-lost' }]);
    expect(core.holdsLease(at(10_002))).toBe(false);
    expect(core.nextWake()).toBeUndefined();
  });

  test('reads the map when a voter knows a later one', () => {
    expect(hears(holder(), a, { kind: 'withheld', attempt: 1, mapEpoch: 5 }, 10_010)).toEqual([{ kind: 'map-outdated', mapEpoch: 5 }]);
  });
});

describe('a granter', () => {
  const renew = (granter: LeaseGranter, from: string, mapEpoch: number, ms: number) => {
    const [effect] = granter.handle({ kind: 'request-received', from: parseNodeId(from), request: { kind: 'renew', attempt: 1, mapEpoch } }, at(ms));
    return effect?.reply;
  };

  test('tells whoever comes with a later map which leases of older ones may still run', () => {
    const granter = new LeaseGranter({ now: at(0), mapEpoch: 1, fresh: true }, options);
    renew(granter, 'x', 1, 100);
    expect(renew(granter, 'y', 2, 600)).toEqual({ kind: 'granted', attempt: 1, mapEpoch: 2, others: [{ node: 'x', runsOutInMs: 1_500 }], unknownForMs: 0 });
    expect(renew(granter, 'x', 1, 700)).toEqual({ kind: 'withheld', attempt: 1, mapEpoch: 2 });
  });

  test('does not know after a start what it granted before, for as long as that may run', () => {
    const granter = new LeaseGranter({ now: at(0), mapEpoch: 1, fresh: false }, options);
    expect(renew(granter, 'y', 1, 500)).toMatchObject({ kind: 'granted', unknownForMs: 1_500 });
    expect([granter.runsOutInMs(x, at(1_999)), granter.runsOutInMs(x, at(2_000))]).toEqual([1, 0]);
  });

  test('grants nothing under a map older than its acceptor has accepted', () => {
    const granter = new LeaseGranter({ now: at(0), mapEpoch: 1, fresh: true }, options);
    granter.handle({ kind: 'map-accepted', mapEpoch: 9 }, at(1));
    expect(renew(granter, 'x', 8, 2)).toEqual({ kind: 'withheld', attempt: 1, mapEpoch: 9 });
  });

  test('has a thousand leases run at a time and no more, and room again when they have run out', () => {
    const granter = new LeaseGranter({ now: at(0), mapEpoch: 1, fresh: true }, options);
    for (let each = 0; each < 1_000; each++) renew(granter, `n${each}`, 1, 0);
    expect(renew(granter, 'late', 1, 1_999)).toMatchObject({ kind: 'withheld' });
    expect(renew(granter, 'n7', 1, 1_999)).toMatchObject({ kind: 'granted' });
    expect(renew(granter, 'late', 1, 2_000)).toMatchObject({ kind: 'granted' });
  });

  test('counts longer than any holder, by what clocks may differ', () => {
    const granter = new LeaseGranter({ now: at(0), mapEpoch: 1, fresh: true }, { driftPpm: 100_000 });
    renew(granter, 'x', 1, 0);
    expect(granter.runsOutInMs(x, at(0))).toBeCloseTo((2_000 * 1.1) / 0.9, 0);
  });
});

test.each([['durationMs', { durationMs: 600 }], ['driftPpm', { driftPpm: -1 }], ['renewMs', { renewMs: 0 }]])('option %s out of range is refused', (name, wrong) => {
  expect(() => new LeaseHolder(x, wrong)).toThrow(new RegExp(name));
});

describe('simulated', () => {
  test('no two nodes acknowledge for one partition at one time, in twenty-five worlds of bad clocks', () => {
    const runs = Array.from({ length: 25 }, (_, seed) => runLease(seed + 1));
    expect(runs.map(({ violation }) => violation)).toEqual(runs.map(() => undefined));
    expect(runs.reduce((sum, run) => sum + run.effective, 0)).toBeGreaterThan(80);
  }, 60_000);

  /** For each bug a seed that shows it; `lease-sweep --bug` finds others. */
  const seedOf: Record<LeaseBug, number> = { 'wall-clock': 1, 'count-from-the-answer': 85, 'no-margin-for-drift': 81, 'forget-grants': 9, 'act-without-waiting': 1, 'forget-who-was-deposed': 48 };
  test.each(leaseBugs)('the checker notices leases that do this: %s', (bug) => {
    expect(runLease(seedOf[bug], bug).violation).toBeDefined();
    expect(runLease(seedOf[bug]).violation).toBeUndefined();
  }, 20_000);
});
