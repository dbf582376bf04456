import { plusMs, type Instant, type NodeId } from '@engram/kernel';
import type { ClusterMap, LeaseRequest, Voter } from '@engram/placement/core';
import { expect, test } from 'vitest';
import { mapOf, node, placed } from '../../test/maps.js';
import { Takeovers } from './takeovers.js';

/** A steward whose voters say that every lease has run out, and whose copies answer as far as a test lets them. */
class Steward {
  readonly said: string[] = [];
  readonly takeovers: Takeovers;
  answering: readonly NodeId[] = [];
  #now = 0 as Instant;
  #due: (() => void)[] = [];

  constructor(public map: ClusterMap) {
    this.takeovers = new Takeovers({
      inquire: (to, request) => this.#due.push(() => this.#leaseAnswered(to, request)),
      fence: (copy, partition, epoch) => {
        if (this.answering.includes(copy)) this.#due.push(() => this.takeovers.fenced(partition, epoch, copy, { epoch: 1, seq: 5 }, this.#now));
      },
      change: (_expectedEpoch, content, then) => this.#due.push(() => then(true, (this.map = { ...map, ...content }), this.#now)),
      isSettled: () => true,
      notice: (level, what, { node: gone, promoted = '-', waiting = '-' }) => this.said.push(`${level} ${what}: ${gone} promoted=${promoted} waiting=${waiting}`),
    });
  }

  /** Looks who is gone every 200 ms, for so long. */
  look(gone: readonly string[], forMs: number): void {
    for (const end = plusMs(this.#now, forMs); this.#now < end; this.#now = plusMs(this.#now, 200)) {
      this.takeovers.seek(gone.map(node), this.map, this.#now);
      this.takeovers.wake(this.#now);
      for (let next = this.#due.shift(); next; next = this.#due.shift()) next();
    }
  }

  #leaseAnswered(to: Voter, request: LeaseRequest): void {
    if (request.kind === 'inquire') this.takeovers.leaseAnswered(to, { kind: 'state', attempt: request.attempt, node: request.node, runsOutInMs: 0 }, this.#now);
  }
}

const map = mapOf(['a', 'b', 'c'], [placed('a', ['b', 'c']), placed('a', ['b', 'c']), placed('b', ['a', 'c'])]);
const begins = 'info taking over from a node that is gone: a promoted=- waiting=-';
const waits = 'warn took over from a node that is gone: a promoted=0 waiting=2';

test('that partitions wait for copies is said once, however often it is tried', () => {
  const steward = new Steward(map);
  steward.look(['a'], 60_000);
  expect(steward.said).toEqual([begins, waits]);
});

test('that they wait no longer is said', () => {
  const steward = new Steward(map);
  steward.look(['a'], 5_000);
  steward.answering = [node('b'), node('c')];
  steward.look(['a'], 1_000);
  expect(steward.said).toEqual([begins, waits, 'info took over from a node that is gone: a promoted=2 waiting=0']);
});

test('a node that came back and goes again is news again', () => {
  const steward = new Steward(map);
  steward.look(['a'], 5_000);
  steward.look([], 1_000);
  steward.look(['a'], 5_000);
  expect(steward.said).toEqual([begins, waits, begins, waits]);
});
