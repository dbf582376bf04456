import type { RegisterOperation } from './register-checker.js';

/**
 * Whether a history of one compare-and-set register is linearizable, by trying every order that real time allows (Wing
 * and Gong, "Testing and Verifying Concurrent Objects", 1993). It knows nothing of what `registerViolation` relies on,
 * which makes it a judge of that; a dozen operations are what it can bear.
 */
export function isLinearizable(operations: readonly RegisterOperation[], firstValue: string): boolean {
  return search(new Set(operations), { version: 1, value: firstValue });
}

interface State {
  readonly version: number;
  readonly value: string;
}

function search(left: ReadonlySet<RegisterOperation>, state: State): boolean {
  const firstEnd = Math.min(...[...left].map(endOf));
  if (![...left].some(mustHappen)) return true;
  for (const operation of left) {
    if (operation.invoked > firstEnd) continue;
    const rest = new Set(left);
    rest.delete(operation);
    for (const after of steps(operation, state)) if (search(rest, after)) return true;
  }
  return false;
}

/** An operation that may have happened at any time, or never, ends never. */
function endOf({ answer, write }: RegisterOperation): number {
  if (answer === undefined) return Infinity;
  return answer.result === 'unknown' && write !== undefined && answer.seen === undefined ? Infinity : answer.at;
}

function mustHappen(operation: RegisterOperation): boolean {
  return endOf(operation) !== Infinity && operation.answer !== undefined;
}

/** The states that an operation at this point may leave behind; none when it cannot stand here. */
function steps({ write, answer }: RegisterOperation, state: State): readonly State[] {
  const sees = answer?.seen === undefined || (answer.seen.version === state.version && answer.seen.value === state.value);
  if (write === undefined || answer?.result === 'failed') return sees ? [state] : [];
  const made = write.expectedVersion === state.version ? [{ version: state.version + 1, value: write.value }] : [];
  return answer?.result === 'ok' ? made : [...made, state];
}
