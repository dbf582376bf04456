/** How much of a value a message repeats: enough to recognise it, too little to flood a log. */
const shownCharactersMax = 40;

/** Control, format, surrogate, private and unassigned characters, and separators other than the plain space. */
const unprintable = /[\p{C}\p{Zl}\p{Zp}\\"]/gu;

/**
 * A value as an error message may print it. Strings are quoted, escaped, so that no NUL, line break, terminal escape or
 * bidirectional mark reaches a log, and cut to 40 characters with their full length; anything else is named by type.
 */
export function shown(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return shownString(value);
    case 'number':
    case 'boolean':
    case 'undefined':
      return String(value);
    case 'bigint':
      return shownBigint(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? `an array of ${value.length}` : shownObject(value);
    default:
      return `a ${typeof value}`;
  }
}

function shownString(text: string): string {
  // Twice the code units hold the wanted number of code points, so a surrogate pair is never cut in two.
  const start = [...text.slice(0, 2 * shownCharactersMax)].slice(0, shownCharactersMax).join('');
  const quoted = `"${start.replace(unprintable, escaped)}"`;
  return start.length === text.length ? quoted : `${quoted}… (${text.length} characters)`;
}

function escaped(character: string): string {
  if (character === '"' || character === '\\') return `\\${character}`;
  return `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`;
}

function shownBigint(value: bigint): string {
  const digits = value.toString();
  return digits.length <= shownCharactersMax ? `${digits}n` : `a bigint of ${digits.length} digits`;
}

function shownObject(value: object): string {
  const kind: unknown = 'kind' in value ? value.kind : undefined;
  return typeof kind === 'string' ? `an object of kind ${shownString(kind)}` : 'an object';
}
