import { hash64, type Instant } from '@engram/kernel';
import { clusterMapCodec, type MapContent, type RegisterState, type Voter } from '@engram/placement/core';
import { RegisterSeat, type RegisterOutcome } from '../../src/core/register-seat.js';

interface Operation {
  readonly invoked: number;
  /** Undefined for a read. */
  readonly expected: number | undefined;
  readonly value: string | undefined;
  answered?: { readonly at: number; readonly completed: boolean; readonly seen: { readonly version: number; readonly value: string } | undefined };
}

const digest = (value: MapContent): string => hash64(clusterMapCodec.encode(value)).toString(16);

/**
 * Everything that nodes asked of the register and were told. Versions make the check exact without a search: each has
 * one value, a change that was made stands right behind the version it was made on, and nobody is told of less than
 * somebody had been told of before he asked.
 */
export class RegisterHistory {
  readonly #operations: Operation[] = [];
  #tick = 0;

  get size(): number {
    return this.#operations.length;
  }

  begin(expected: number | undefined, value: MapContent | undefined): (outcome: RegisterOutcome) => void {
    const operation: Operation = { invoked: ++this.#tick, expected, value: value && digest(value) };
    this.#operations.push(operation);
    return (outcome) => {
      const state = outcome.kind === 'completed' ? outcome.state : outcome.kind === 'refused' && 'current' in outcome.refusal ? outcome.refusal.current : undefined;
      operation.answered = { at: ++this.#tick, completed: outcome.kind === 'completed', seen: state && { version: state.version, value: digest(state.value) } };
    };
  }

  violation(): string | undefined {
    const values = new Map<number, string>();
    for (const { expected, value, answered } of this.#operations) {
      const seen = answered?.seen;
      if (!seen) continue;
      if (answered.completed && expected !== undefined && (seen.version !== expected + 1 || seen.value !== value)) return `a change on version ${expected} was answered by version ${seen.version}`;
      if ((values.get(seen.version) ?? seen.value) !== seen.value) return `version ${seen.version} of the map has two values`;
      values.set(seen.version, seen.value);
    }
    const ends = this.#operations.flatMap(({ answered }) => (answered?.seen ? [{ at: answered.at, version: answered.seen.version }] : [])).sort((a, b) => a.at - b.at);
    let highest = 0;
    let next = 0;
    for (const { invoked, expected, answered } of this.#operations) {
      for (let end = ends[next]; end !== undefined && end.at < invoked; end = ends[++next]) highest = Math.max(highest, end.version);
      const version = answered?.seen?.version;
      if (version !== undefined && version < highest) return `somebody is told of version ${version} of the map after version ${highest} was known`;
      if (answered?.completed === true && expected !== undefined && version === highest) return `version ${version} of the map was known before it was made`;
    }
    return undefined;
  }
}

/** Notes whatever any node of this process asks of its register, until the returned function is called. */
export function recordRegister(history: RegisterHistory): () => void {
  const { read, change } = RegisterSeat.prototype;
  RegisterSeat.prototype.read = function (this: RegisterSeat, then, now) {
    const note = history.begin(undefined, undefined);
    read.call(this, (outcome, at) => (note(outcome), then(outcome, at)), now);
  };
  RegisterSeat.prototype.change = function (this: RegisterSeat, expected: number, value: MapContent, voters: readonly Voter[] | undefined, then: (outcome: RegisterOutcome, now: Instant) => void, now: Instant) {
    const note = history.begin(expected, value);
    change.call(this, expected, value, voters, (outcome, at) => (note(outcome), then(outcome, at)), now);
  };
  return () => Object.assign(RegisterSeat.prototype, { read, change });
}

export function digestOf(state: RegisterState<MapContent>): string {
  return digest(state.value);
}
