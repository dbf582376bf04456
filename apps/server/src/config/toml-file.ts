import { parse, TomlError } from 'smol-toml';
import { aliases, aliasTables } from './aliases.js';
import { keys, tables } from './keys.js';
import { nearest } from './nearest.js';
import { isSecret, showValue, type Problem } from './problems.js';
import { describeSource, type Setting, type Source } from './settings.js';

/** The settings of a configuration file. `name` is how the file is called in messages. */
export function readToml(name: string, text: string): { settings: Setting[]; problems: Problem[] } {
  let root: Record<string, unknown>;
  try {
    root = parse(text.startsWith('\uFEFF') ? text.slice(1) : text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '');
    return { settings: [], problems: [{ key: `${name}:${error.line}:${error.column}`, reason: `is not TOML: ${reason}`, suggestion: excerpt(error) }] };
  }
  const reader = new TomlReader(name, linesOfKeys(text));
  reader.readTable(root, '');
  return { settings: reader.settings, problems: reader.problems };
}

class TomlReader {
  readonly settings: Setting[] = [];
  readonly problems: Problem[] = [];
  readonly #name: string;
  readonly #lines: ReadonlyMap<string, number>;
  readonly #spelledAs = new Map<string, string>();

  constructor(name: string, lines: ReadonlyMap<string, number>) {
    this.#name = name;
    this.#lines = lines;
  }

  readTable(table: Record<string, unknown>, prefix: string): void {
    for (const [word, value] of Object.entries(table)) {
      const path = prefix === '' ? word : `${prefix}.${word}`;
      if (keys.has(path)) this.#set(path, path, value);
      else if (isTable(value) && (tables.has(path) || aliasTables.has(path))) this.readTable(value, path);
      else if (aliases.has(path)) this.#setAlias(path, value);
      else if (tables.has(path)) this.#refuse(path, value, 'is a table', `Write its keys below a line [${path}].`);
      else this.#refuseUnknown(path, value);
    }
  }

  #setAlias(path: string, value: unknown): void {
    const alias = aliases.get(path)!;
    this.#set(alias.of, path, alias.read === undefined ? value : alias.read(value), alias.portOnly);
  }

  #set(path: string, spelled: string, value: unknown, portOnly = false): void {
    const other = this.#spelledAs.get(path);
    if (other !== undefined) {
      this.#refuse(spelled, value, `sets ${path}, which ${other} sets as well`, 'Keep one of them.');
      return;
    }
    this.#spelledAs.set(path, spelled);
    this.settings.push({ path, value, source: this.#sourceOf(spelled, path), ...(portOnly ? { portOnly } : {}) });
  }

  #refuseUnknown(path: string, value: unknown): void {
    const kind = isTable(value) ? 'table' : 'key';
    const meant = nearest(path, kind === 'table' ? tables : keys.keys());
    const suggestion = meant === undefined ? `Remove it; docs/configuration.md lists every ${kind}.` : `Did you mean ${meant}?`;
    this.#refuse(path, value, `is not a ${kind} of the configuration`, suggestion, meant);
  }

  #refuse(path: string, value: unknown, reason: string, suggestion: string, meant?: string): void {
    const shown = isTable(value) ? {} : { value: showValue(value, isSecret(path, meant)) };
    this.problems.push({ key: path, ...shown, source: describeSource(this.#sourceOf(path, path)), reason, suggestion });
  }

  #sourceOf(spelled: string, path: string): Source {
    const line = this.#lineOf(spelled);
    return { kind: 'file', file: this.#name, ...(line === undefined ? {} : { line }), ...(spelled === path ? {} : { spelled }) };
  }

  /** A key of an inline table stands where its table stands. */
  #lineOf(path: string): number | undefined {
    for (let p = path; p !== ''; p = p.slice(0, Math.max(0, p.lastIndexOf('.')))) {
      const line = this.#lines.get(p);
      if (line !== undefined) return line;
    }
    return undefined;
  }
}

/**
 * The line of every key and table header. The TOML parser keeps no positions, so this reads just enough of the
 * syntax: headers, bare and dotted keys, and where multi-line strings begin and end. It serves messages only; a key
 * it misses is reported with the file alone.
 */
export function linesOfKeys(text: string): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  let prefix = '';
  let closing: string | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (closing !== undefined) {
      if (line.includes(closing)) closing = undefined;
      continue;
    }
    const header = /^\s*\[{1,2}([^[\]]+)\]{1,2}/.exec(line);
    const assignment = /^\s*([A-Za-z0-9_."'-]+(?:\s*\.\s*[A-Za-z0-9_"'-]+)*)\s*=(.*)$/.exec(line);
    if (header !== null) {
      prefix = pathOf(header[1]!);
      setOnce(lines, prefix, index + 1);
    } else if (assignment !== null) {
      const path = pathOf(assignment[1]!);
      setOnce(lines, prefix === '' ? path : `${prefix}.${path}`, index + 1);
      closing = openedString(assignment[2]!);
    }
  }
  return lines;
}

function pathOf(written: string): string {
  return written.split('.').map((word) => word.trim().replace(/^(["'])(.*)\1$/, '$2')).join('.');
}

function setOnce(lines: Map<string, number>, path: string, line: number): void {
  if (!lines.has(path)) lines.set(path, line);
}

/** The quotes that close a multi-line string which this value opens and does not close. */
function openedString(value: string): string | undefined {
  const opening = /^\s*("""|''')/.exec(value)?.[1];
  return opening !== undefined && value.split(opening).length === 2 ? opening : undefined;
}

/** The lines around the mistake, without the values of keys that sound like secrets. */
function excerpt({ codeblock }: TomlError): string {
  const shown = codeblock.trimEnd().split('\n').map((line) => {
    const key = /^\d+: +([A-Za-z0-9_.-]+)\s*=/.exec(line)?.[1];
    return `      ${key !== undefined && isSecret(key) ? `${line.slice(0, line.indexOf('='))}= (secret)` : line}`;
  });
  return `There it reads:\n${shown.join('\n')}`;
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
