/**
 * What must be true of a node's memories after crashes, judged from a ledger that another process kept.
 *
 * An operation is `ok` (acknowledged), `fail` (refused: it must have no effect) or `info` (no answer: it may or may not
 * have taken effect). An `info` is never counted as lost, nor as kept.
 */
export type Outcome = 'ok' | 'fail' | 'info';

export interface StoreAttempt {
  /** Unique per attempt; the content is derived from it, so that altered content shows. */
  readonly token: string;
  readonly content: string;
  /** The id the client chose, or the one the answer named. Unknown for an unanswered attempt without an id. */
  id: string | undefined;
  outcome: Outcome;
  /** What became of a request to forget it; undefined when there was none. */
  forgotten: Outcome | undefined;
}

export interface FoundMemory {
  readonly id: string;
  readonly content: string;
}

export interface Violation {
  readonly kind: 'lost' | 'duplicated' | 'phantom' | 'altered' | 'resurrected';
  readonly detail: string;
}

/** Compares all that a node holds with all that was ever attempted. An empty answer means: nothing lost, nothing made up. */
export function checkState(attempts: readonly StoreAttempt[], found: readonly FoundMemory[]): Violation[] {
  const violations: Violation[] = [];
  const byContent = new Map(attempts.map((attempt) => [attempt.content, attempt]));
  const byId = new Map(attempts.filter(({ id }) => id !== undefined).map((attempt) => [attempt.id!, attempt]));
  const seen = new Map<StoreAttempt, FoundMemory>();
  for (const memory of found) {
    const attempt = byContent.get(memory.content);
    if (!attempt) {
      const claimed = byId.get(memory.id);
      violations.push(
        claimed
          ? { kind: 'altered', detail: `${memory.id} holds ${JSON.stringify(memory.content)} instead of ${JSON.stringify(claimed.content)}` }
          : { kind: 'phantom', detail: `${memory.id} holds ${JSON.stringify(memory.content)}, which nobody stored` },
      );
      continue;
    }
    const twin = seen.get(attempt);
    if (twin) violations.push({ kind: 'duplicated', detail: `${attempt.token} is held as ${twin.id} and as ${memory.id}` });
    seen.set(attempt, memory);
    if (attempt.id !== undefined && attempt.id !== memory.id) {
      violations.push({ kind: 'altered', detail: `${attempt.token} was acknowledged as ${attempt.id} and is held as ${memory.id}` });
    }
    if (attempt.outcome === 'fail') violations.push({ kind: 'phantom', detail: `${memory.id} was refused, yet is held` });
    if (attempt.forgotten === 'ok') violations.push({ kind: 'resurrected', detail: `${memory.id} was forgotten, yet is held` });
  }
  for (const attempt of attempts) {
    const mayBeGone = attempt.forgotten === 'ok' || attempt.forgotten === 'info';
    if (attempt.outcome === 'ok' && !mayBeGone && !seen.has(attempt)) {
      violations.push({ kind: 'lost', detail: `${attempt.token} was acknowledged as ${attempt.id ?? 'unknown'} and is gone` });
    }
  }
  return violations;
}
