import { EngramError } from '@engram/kernel';
import { keys } from './keys.js';
import { describeSource, type Source } from './settings.js';

/** One thing that stops the start. */
export interface Problem {
  /** The key, variable or flag as it was written. */
  readonly key: string;
  /** The value as it was written, shortened; never a secret. */
  readonly value?: string;
  /** Where it was written. */
  readonly source?: string;
  /** Reads as the end of "the key …". */
  readonly reason: string;
  /** What to write instead. */
  readonly suggestion?: string;
}

/** Something that starts, but that its operator should know. */
export interface ConfigWarning {
  readonly key: string;
  readonly message: string;
  /** Where the value was written, unless it is a default. */
  readonly source?: string;
}

/** Everything that is wrong with a configuration, at once. Nothing was started. Code `invalid_config`. */
export class ConfigError extends EngramError {
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    const count = problems.length === 1 ? 'The configuration has a problem' : `The configuration has ${problems.length} problems`;
    super('invalid_config', `${count}; nothing was started.\n${problems.map(describeProblem).join('\n')}`, {
      hint: '`engram config check` prints every value and where it comes from; docs/configuration.md lists every key.',
      details: { problems },
    });
    this.problems = problems;
  }
}

export function describeProblem(problem: Problem): string {
  const where = problem.source === undefined || problem.source === problem.key ? '' : `  (${problem.source})`;
  const what = problem.value === undefined ? problem.key : `${problem.key} = ${problem.value}`;
  return `  ${what}${where}\n    ${problem.reason}.${problem.suggestion === undefined ? '' : ` ${problem.suggestion}`}`;
}

/** A problem of a known key. */
export function problemOf(path: string, value: unknown, source: Source, reason: string, suggestion?: string): Problem {
  return { key: path, value: showValue(value, isSecret(path)), source: describeSource(source), reason, ...(suggestion === undefined ? {} : { suggestion }) };
}

/** Whether a value must not be shown: it is a secret's, or its key is nobody's and sounds like one. */
export function isSecret(path: string, meant?: string): boolean {
  const key = keys.get(path) ?? (meant === undefined ? undefined : keys.get(meant));
  if (key?.secret === true) return true;
  return !keys.has(path) && soundsSecret(path);
}

/** A value in one short line. Fields that sound like secrets, and the credentials of URLs, are not shown whatever the key. */
export function showValue(value: unknown, secret: boolean): string {
  if (secret) return '(secret)';
  const field = (name: string, inner: unknown): unknown => (name !== '' && soundsSecret(name) ? '(secret)' : inner);
  const written = typeof value === 'bigint' || typeof value === 'number' ? String(value) : (JSON.stringify(value, field) ?? String(value));
  const text = written.replace(/:\/\/[^/@"\s]+@/g, '://(secret)@');
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

export function soundsSecret(name: string): boolean {
  return /pass|secret|token|credential|(^|[._])keys?$/i.test(name);
}
