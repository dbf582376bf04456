/** Deeper values are replaced: error details are for reading, and a cycle must end somewhere. */
const depthMax = 6;
/** Longer arrays and objects are cut: a detail is a fact, not a dump. */
const entriesMax = 100;

/**
 * A copy of `value` that `JSON.stringify` takes without throwing and without losing what a reader wants to see:
 * bigints become decimal strings, errors their name and message, bytes their length, what is too deep or too long `…`.
 */
export function jsonSafe(value: unknown, depth = 0): unknown {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return value;
    case 'number':
      return Number.isFinite(value) ? value : String(value);
    case 'bigint':
      return value.toString();
    case 'object':
      return value === null ? null : depth >= depthMax ? '…' : jsonSafeObject(value, depth + 1);
    default:
      return value === undefined ? undefined : `[${typeof value}]`;
  }
}

function jsonSafeObject(value: object, depth: number): unknown {
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) {
    const items = value.slice(0, entriesMax).map((item) => jsonSafe(item, depth));
    return value.length > entriesMax ? [...items, '…'] : items;
  }
  const entries = value instanceof Map ? [...value.entries()] : Object.entries(value);
  const safe = entries.slice(0, entriesMax).map(([key, item]) => [String(key), jsonSafe(item, depth)] as const);
  // fromEntries defines own properties, so a key such as `__proto__` stays a plain key.
  return Object.fromEntries(entries.length > entriesMax ? [...safe, ['…', '…'] as const] : safe);
}
