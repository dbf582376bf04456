import { parse, TomlError } from 'smol-toml';
import { aliases, aliasTables } from './aliases.js';
import { keys, tables } from './keys.js';
import { Layer } from './layer.js';
import { nearest } from './nearest.js';
import { isSecret, showValue, type Problem } from './problems.js';
import { describeSource, type Setting, type Source } from './settings.js';

/** What an unknown key is compared with. */
const spellings: readonly string[] = [...keys.keys(), ...[...aliases.values()].filter(({ derived }) => derived !== true).map(({ path }) => path)];

/** The settings of a configuration file. `name` is how the file is called in messages. */
export function readToml(name: string, text: string): { settings: Setting[]; problems: Problem[] } {
  let root: Record<string, unknown>;
  try {
    root = parse(text.startsWith('\uFEFF') ? text.slice(1) : text);
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split('\n')[0]!.replace(/^Invalid TOML document: /, '');
    return { settings: [], problems: [{ key: `${name}:${error.line}:${error.column}`, reason: `is not TOML: ${reason}`, suggestion: excerpt(error, text) }] };
  }
  const reader = new TomlReader(name, linesOfKeys(text));
  reader.readTable(root, '');
  return { settings: reader.layer.settings, problems: reader.layer.problems };
}

class TomlReader {
  readonly layer = new Layer();
  readonly #name: string;
  readonly #lines: ReadonlyMap<string, number>;

  constructor(name: string, lines: ReadonlyMap<string, number>) {
    this.#name = name;
    this.#lines = lines;
  }

  readTable(table: Record<string, unknown>, prefix: string): void {
    for (const [word, value] of Object.entries(table)) {
      const path = prefix === '' ? word : `${prefix}.${word}`;
      const alias = aliases.get(path);
      if (keys.has(path)) this.layer.add(path, path, value, this.#sourceOf(path, path));
      else if (isTable(value) && (tables.has(path) || aliasTables.has(path))) this.readTable(value, path);
      else if (alias !== undefined) this.layer.add(path, alias.of, value, this.#sourceOf(path, alias.of), alias);
      else if (tables.has(path)) this.#refuse(path, value, 'is a table', `Write its keys below a line [${path}].`);
      else this.#refuseUnknown(path, value);
    }
  }

  #refuseUnknown(path: string, value: unknown): void {
    const kind = isTable(value) ? 'table' : 'key';
    const found = nearest(path, kind === 'table' ? tables : spellings);
    const meant = found === undefined ? undefined : (aliases.get(found)?.of ?? found);
    const suggestion = meant === undefined ? `Remove it; docs/configuration.md lists every ${kind}.` : `Did you mean ${meant}?`;
    this.#refuse(path, value, `is not a ${kind} of the configuration`, suggestion, meant);
  }

  #refuse(path: string, value: unknown, reason: string, suggestion: string, meant?: string): void {
    const shown = isTable(value) ? {} : { value: showValue(value, isSecret(path, meant)) };
    this.layer.problems.push({ key: path, ...shown, source: describeSource(this.#sourceOf(path, path)), reason, suggestion });
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

/** The lines around the mistake, without what sounds like a secret: after its key in the same line, and in the lines that its value goes on over. */
function excerpt({ codeblock }: TomlError, text: string): string {
  const lines = text.split('\n');
  const shown = codeblock.trimEnd().split('\n').map((line) => {
    const [, number, content] = /^(\d+): {0,2}(.*)$/.exec(line) ?? [];
    if (number === undefined || content === undefined) return `      ${line}`;
    const opened = /^\s*[A-Za-z0-9_."'-]+\s*=|^\s*\[[^\]"']+\]\s*$/.test(content) ? '' : (lines.slice(0, Number(number) - 1).findLast((above) => /^\s*[A-Za-z0-9_."'-]+\s*=/.test(above)) ?? '');
    return `      ${number}:  ${secretValue.test(opened) && content.trim() !== '' ? '(secret)' : withoutSecrets(content)}`;
  });
  return `There it reads:\n${shown.join('\n')}`;
}

/** A key that sounds like a secret's, and the equals sign after it. */
const secretValue = /[A-Za-z0-9_.-]*(?:pass|secret|token|credential|keys?)[A-Za-z0-9_-]*["']?\s*=/i;

function withoutSecrets(line: string): string {
  const match = secretValue.exec(line);
  const shown = match === null ? line : `${line.slice(0, match.index + match[0].length)} (secret)`;
  return shown.replace(/:\/\/[^/@"\s]+@/g, '://(secret)@');
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);
}
