import { plusMs, type Instant } from '@engram/kernel';
import type { ClusterMap, MapContent } from '@engram/placement/core';
import type { RegisterOutcome } from './register-seat.js';
import { judge, type MapVerb, type VerbAnswer } from './verbs.js';

interface Asked {
  readonly request: number;
  readonly verb: MapVerb;
  readonly until: Instant;
  /** Whether a change was made for it, or may have been. */
  changed: boolean;
  /** A change for it is on its way. */
  isProposed: boolean;
}

/** Verbs that wait at one node at most. */
const waitingMax = 16;
/** How long the voters may take. */
const patienceMs = 10_000;

/**
 * Verbs on their way into the map, one at a time. Whatever a change came to, the map is looked at again: the verb is done
 * when it says so. So a change that was refused because somebody else was faster is simply tried on the next map.
 */
export class VerbQueue {
  readonly #waiting: Asked[] = [];
  readonly #answer: (request: number, answer: VerbAnswer) => void;

  constructor(answer: (request: number, answer: VerbAnswer) => void) {
    this.#answer = answer;
  }

  get held(): number {
    return this.#waiting.length;
  }

  ask(request: number, verb: MapVerb, now: Instant): void {
    if (this.#waiting.length < waitingMax) return void this.#waiting.push({ request, verb, until: plusMs(now, patienceMs), changed: false, isProposed: false });
    this.#answer(request, { kind: 'refused', code: 'overloaded', message: `${waitingMax} changes of the cluster wait at this node already`, hint: 'Try again in a moment.' });
  }

  /** Answers those that have waited too long. */
  expire(now: Instant): void {
    while (this.#waiting[0] !== undefined && this.#waiting[0].until <= now) {
      const { request, changed, isProposed } = this.#waiting.shift() as Asked;
      this.#answer(request, {
        kind: 'refused',
        code: 'unavailable',
        message: `a majority of the voters did not agree within ${patienceMs / 1_000} s${changed || isProposed ? '; it may still be carried out' : ', so nothing was changed'}`,
        hint: 'GET /api/v1/cluster/replication/status names the voters. Asking again is safe.',
      });
    }
  }

  /** Answers all that wait: this node is going. */
  abandon(): void {
    for (const { request, changed } of this.#waiting.splice(0)) {
      this.#answer(request, { kind: 'refused', code: 'unavailable', message: `this node stops before a majority of the voters has agreed${changed ? '; it may still be carried out' : ''}`, hint: 'Ask another node. Asking again is safe.' });
    }
  }

  /** What is to be put in the place of the map for the first verb that is not so; answers those that are, or must not be. */
  next(map: ClusterMap): MapContent | undefined {
    for (let asked = this.#waiting[0]; asked !== undefined; asked = this.#waiting[0]) {
      const judged = judge(map, asked.verb);
      if (judged.kind === 'change') {
        asked.isProposed = true;
        return judged.content;
      }
      this.#waiting.shift();
      this.#answer(asked.request, judged.kind === 'so' ? { kind: 'done', changed: asked.changed } : judged);
    }
    return undefined;
  }

  /** What became of the change that `next` wanted. */
  settled(outcome: RegisterOutcome): void {
    // Who has waited too long is not here any more.
    const [asked] = this.#waiting;
    if (!asked?.isProposed) return;
    asked.isProposed = false;
    if (outcome.kind === 'invalid') {
      this.#waiting.shift();
      return this.#answer(asked.request, { kind: 'refused', code: 'invalid_argument', message: `the map would be refused: ${outcome.problem}`, hint: 'Ask for something that does not contradict it.' });
    }
    if (outcome.kind === 'completed' || outcome.refusal.kind === 'indeterminate') asked.changed = true;
  }
}
