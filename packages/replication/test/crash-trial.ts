import { hlcZero, instant, plusMs, Random, wake, type Instant } from '@engram/kernel';
import { lsn, WriteAheadLogCore, SEGMENT_HEADER_BYTES, type Checksum, type LogEffect, type LogEvent, type LogOptions } from '../src/core/index.js';
import { checksum, entriesOf, entryOf, logId, recover, segmentOf } from './log-fixtures.js';
import { isDiskEffect, SimulatedDisk, type DiskEffect } from './simulated-disk.js';

/** A defect put in on purpose, to show that the law below would notice it. */
export type Planted = 'acknowledge before sync' | 'ignore checksums' | 'keep what a failed write left' | 'acknowledge after a failed sync';

/** What happens next. Weights live in the generator; the meaning lives here. */
export type Step =
  | { readonly kind: 'append'; readonly entries: number; readonly payloadBytes: number }
  | { readonly kind: 'disk'; readonly outcome: 'done' | 'no-space' | 'other' }
  | { readonly kind: 'time'; readonly ms: number }
  | { readonly kind: 'checkpoint' }
  | { readonly kind: 'crash' };

export const trialOptions: LogOptions = {
  segmentBytesMax: 4096, groupBytesMax: 2048, entryBytesMax: 1024, queueBytesMax: 16_384, retainBytes: 0,
  fullProbeMs: 100, fullProbeBytes: 700, sealAfterMs: 50,
};

export interface TrialResult {
  /** The first promise that was broken, in words; undefined when all held. */
  readonly violation: string | undefined;
  readonly seen: ReadonlySet<string>;
}

/**
 * Runs a log over a simulated disk through `steps`, crashing it where they say and once at the end, and checks after
 * every crash what recovery brings back:
 * every acknowledged entry, at its position and unaltered, unless a checkpoint covered it; no entry that was refused for
 * good; no entry that was never appended; and nothing that recovery would call damage.
 */
export function runCrashTrial(steps: readonly Step[], seed: number, planted?: Planted): TrialResult {
  const random = Random.fromSeed(seed);
  const crc: Checksum = planted === 'ignore checksums' ? () => 0 : checksum;
  const seen = new Set<string>();
  const acknowledged = new Map<number, number>(); // position -> entry number
  const refused = new Set<number>();
  const calls = new Map<number, number[]>(); // call id -> entry numbers
  let disk = SimulatedDisk.holding([{ lsn: 1, bytes: plantedHeader(crc) }]);
  let entryNumber = 0;
  let checkpointed = 0;
  let now = instant(0);
  let outstanding: DiskEffect[] = [];
  let core = start();

  function start(): WriteAheadLogCore {
    const outcome = recover(disk.segments(), {}, crc);
    if (outcome.kind === 'damaged') throw new Violation(`recovery called it damage: ${JSON.stringify(outcome.damage)}`);
    if (outcome.tornTail) {
      seen.add('torn tail');
      const newest = outcome.segments.at(-1);
      if (newest) disk.perform({ kind: 'truncate', segment: newest.firstLsn, bytes: newest.bytes });
    }
    checkRecovered(outcome.firstLsn, outcome.nextLsn);
    return new WriteAheadLogCore(crc, { ...outcome, logId: outcome.logId ?? logId, sealed: outcome.unproven === undefined }, trialOptions);
  }

  function checkRecovered(firstLsn: number, nextLsn: number): void {
    if (firstLsn > checkpointed + 1) throw new Violation(`the log begins at ${firstLsn} although only ${checkpointed} was covered`);
    const entries = entriesOf(disk.segments(), crc);
    for (let position = firstLsn; position < nextLsn; position++) {
      const found = entries.get(lsn(position));
      if (!found) throw new Violation(`entry ${position} is missing although ${nextLsn} is next`);
      const expected = acknowledged.get(position);
      if (expected !== undefined && found.seq !== expected) throw new Violation(`entry ${position} is ${found.seq}, acknowledged was ${expected}`);
      if (refused.has(found.seq)) throw new Violation(`entry ${found.seq} was refused and came back`);
      if (found.seq > entryNumber || !sameBytes(found.payload, entryOf(found.seq, found.payload.length).payload)) {
        throw new Violation(`entry ${position} was altered`);
      }
      // Whatever was recovered is durable from now on, acknowledged or not.
      acknowledged.set(position, found.seq);
    }
    for (const position of acknowledged.keys()) {
      if (position >= nextLsn) throw new Violation(`acknowledged entry ${position} is lost; next is ${nextLsn}`);
    }
  }

  function dispatch(event: LogEvent | typeof wake): void {
    for (const effect of core.handle(event, now)) absorb(effect);
  }

  function absorb(effect: LogEffect): void {
    if (isDiskEffect(effect)) return void outstanding.push(effect);
    seen.add(effect.kind === 'reject' ? `reject ${effect.refusal.code}` : effect.kind === 'state-changed' ? `state ${effect.state}` : effect.kind);
    if (effect.kind === 'acknowledge') {
      (calls.get(effect.id) ?? []).forEach((number, index) => acknowledged.set(effect.first + index, number));
    } else if (effect.kind === 'reject' && !effect.refusal.indeterminate) {
      for (const number of calls.get(effect.id) ?? []) refused.add(number);
    }
  }

  function answerDisk(outcome: 'done' | 'no-space' | 'other'): void {
    const effect = outstanding.shift();
    if (!effect) return;
    if (outcome !== 'done') {
      seen.add(`failed ${effect.kind}`);
      const answer = disk.fail(effect, outcome, random);
      return dispatch(planted === 'acknowledge after a failed sync' && effect.kind === 'sync' ? { kind: 'synced' } : answer);
    }
    if (planted === 'acknowledge before sync' && effect.kind === 'sync') return dispatch({ kind: 'synced' });
    if (planted === 'keep what a failed write left' && effect.kind === 'truncate') return dispatch({ kind: 'truncated' });
    dispatch(disk.perform(effect));
  }

  function crash(): void {
    // What the disk was doing may or may not have got anywhere; opening and deleting are one step of its directory.
    for (const effect of outstanding) if (effect.kind !== 'sync' && random.chance(0.5)) disk.perform(effect);
    outstanding = [];
    disk.crash(random);
    disk = SimulatedDisk.holding(disk.segments());
    core = start();
    seen.add('crash');
  }

  function take(step: Step): void {
    switch (step.kind) {
      case 'append': {
        const numbers = Array.from({ length: step.entries }, () => ++entryNumber);
        const id = numbers[0] ?? 0;
        calls.set(id, numbers);
        return dispatch({ kind: 'append', calls: [{ id, entries: numbers.map((number) => entryOf(number, step.payloadBytes)) }] });
      }
      case 'disk':
        return answerDisk(step.outcome);
      case 'time':
        now = plusMs(now, step.ms);
        if (due(core.nextWake(), now)) dispatch(wake);
        return;
      case 'checkpoint':
        checkpointed = Math.max(checkpointed, core.durableLsn);
        return dispatch({ kind: 'checkpoint', applied: core.durableLsn });
      case 'crash':
        return crash();
    }
  }

  try {
    for (const step of steps) take(step);
    crash();
  } catch (error) {
    if (error instanceof Violation) return { violation: error.message, seen };
    throw error;
  }
  return { violation: undefined, seen };
}

class Violation extends Error {}

function due(at: Instant | undefined, now: Instant): boolean {
  return at !== undefined && at <= now;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}

function plantedHeader(crc: Checksum): Uint8Array {
  const header = segmentOf({ first: 1, hlcHighWater: hlcZero });
  // A log that ignores checksums also writes none.
  if (crc !== checksum) new DataView(header.buffer).setUint32(SEGMENT_HEADER_BYTES - 4, 0, true);
  return header;
}
