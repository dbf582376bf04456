/**
 * One request of a client, as the client saw it. Moments are ticks of one counter for the whole run, so that no two are
 * equal and "before" is never a matter of rounding.
 */
export interface RegisterOperation {
  readonly id: number;
  readonly client: string;
  readonly invoked: number;
  /** What it wrote and on top of which version; undefined for a read. Values are unique within a history. */
  readonly write: { readonly expectedVersion: number; readonly value: string } | undefined;
  /** Undefined while there is no answer, which may be for ever: its node died. */
  answer?: {
    readonly at: number;
    /** `failed`: certainly without effect. `unknown`: perhaps, at any time from its invocation on. */
    readonly result: 'ok' | 'failed' | 'unknown';
    /** The version and the value that the answer told of. */
    readonly seen: { readonly version: number; readonly value: string } | undefined;
  };
}

/**
 * Says why a history of one compare-and-set register is not linearizable; undefined when it is.
 *
 * Versions make this exact without a search. Each version has one writer, so operations that tell of a version have a
 * fixed order: by version, and within one its writer first. A history is linearizable if and only if that order never
 * contradicts real time, and every version that must have existed has a writer that may have made it. A write without
 * an answer counts from its invocation on, and only if somebody saw it.
 */
export function registerViolation(operations: readonly RegisterOperation[], firstValue: string): string | undefined {
  const writers = new Map<string, RegisterOperation>();
  for (const operation of operations) if (operation.write !== undefined) writers.set(operation.write.value, operation);
  const valueOf = new Map<number, string>([[1, firstValue]]);
  for (const operation of operations) {
    const { answer, write } = operation;
    if (answer?.result === 'ok' && write !== undefined) {
      if (answer.seen?.version !== write.expectedVersion + 1 || answer.seen.value !== write.value) return `${named(operation)} was told of ${shownSeen(answer.seen)}, which is not what it wrote`;
    }
    const seen = answer?.seen;
    if (seen === undefined) continue;
    const known = valueOf.get(seen.version);
    if (known !== undefined && known !== seen.value) return `version ${seen.version} was ${known} and also ${seen.value}, as told to ${named(operation)}`;
    valueOf.set(seen.version, seen.value);
  }
  inferUnseen(operations, valueOf);
  return writersViolation(writers, valueOf) ?? orderViolation(operations, writers, valueOf);
}

/** A version that nobody told of was made by one whose outcome is unknown. The earliest suits every order that any of them suits. */
function inferUnseen(operations: readonly RegisterOperation[], valueOf: Map<number, string>): void {
  const last = Math.max(...valueOf.keys());
  for (let version = 2; version < last; version++) {
    if (valueOf.has(version)) continue;
    const candidates = operations.filter(({ write, answer }) => write?.expectedVersion === version - 1 && answer?.result !== 'failed');
    const earliest = candidates.toSorted((a, b) => a.invoked - b.invoked)[0];
    if (earliest?.write !== undefined) valueOf.set(version, earliest.write.value);
  }
}

function writersViolation(writers: ReadonlyMap<string, RegisterOperation>, valueOf: ReadonlyMap<number, string>): string | undefined {
  const last = Math.max(...valueOf.keys());
  for (let version = 2; version <= last; version++) {
    const value = valueOf.get(version);
    const may = (operation: RegisterOperation): boolean => operation.write?.expectedVersion === version - 1 && operation.answer?.result !== 'failed';
    if (value === undefined) return `version ${last} was made although nobody can have made version ${version}`;
    const writer = writers.get(value);
    if (writer === undefined) return `version ${version} has the value ${value}, which nobody wrote`;
    if (!may(writer)) return `version ${version} has the value of ${named(writer)}, which ${writer.answer?.result === 'failed' ? 'was refused' : 'wrote on top of another version'}`;
  }
  return undefined;
}

/** Something done: the version it stands at, and whether it made it. */
interface Deed {
  readonly operation: RegisterOperation;
  readonly version: number;
  readonly made: boolean;
  readonly from: number;
  readonly until: number;
}

function orderViolation(operations: readonly RegisterOperation[], writers: ReadonlyMap<string, RegisterOperation>, valueOf: ReadonlyMap<number, string>): string | undefined {
  const deeds: Deed[] = [];
  for (const operation of operations) {
    const { answer, invoked } = operation;
    if (answer?.seen !== undefined && !(answer.result === 'ok' && operation.write !== undefined)) {
      deeds.push({ operation, version: answer.seen.version, made: false, from: invoked, until: answer.at });
    }
  }
  for (const [version, value] of valueOf) {
    const operation = writers.get(value);
    if (operation === undefined) continue;
    const until = operation.answer?.result === 'ok' ? operation.answer.at : Infinity;
    deeds.push({ operation, version, made: true, from: operation.invoked, until });
  }
  // Of whatever ended so far: the highest version. Whatever begins later must not stand before it.
  const byStart = deeds.toSorted((a, b) => a.from - b.from);
  const byEnd = deeds.toSorted((a, b) => a.until - b.until);
  let ended = 0;
  let highest: Deed | undefined;
  for (const deed of byStart) {
    for (let next = byEnd[ended]; next !== undefined && next.until < deed.from; next = byEnd[++ended]) {
      if (highest === undefined || next.version > highest.version) highest = next;
    }
    if (highest === undefined) continue;
    if (deed.version < highest.version) return `${named(deed.operation)} stands at version ${deed.version} although ${named(highest.operation)} had ended before it at version ${highest.version}`;
    if (deed.made && deed.version === highest.version) return `${named(deed.operation)} made version ${deed.version}, of which ${named(highest.operation)} had told before it began`;
  }
  return undefined;
}

function named({ id, client, write, invoked }: RegisterOperation): string {
  return `${write === undefined ? 'read' : `write ${write.value} on ${write.expectedVersion}`} (#${id} of ${client} at tick ${invoked})`;
}

function shownSeen(seen: { version: number; value: string } | undefined): string {
  return seen === undefined ? 'nothing' : `${seen.value} at version ${seen.version}`;
}
