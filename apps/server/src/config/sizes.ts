const units = new Map<string, number>([
  ['', 1], ['b', 1],
  ['kib', 2 ** 10], ['mib', 2 ** 20], ['gib', 2 ** 30], ['tib', 2 ** 40],
  ['kb', 1e3], ['mb', 1e6], ['gb', 1e9], ['tb', 1e12],
]);

/** Bytes of `64MiB`, `10MB`, `4096` or a plain number; undefined when the text is no size. A size is a whole number of bytes. */
export function parseSize(size: string | number): number | undefined {
  if (typeof size === 'number') return Number.isSafeInteger(size) && size >= 0 ? size : undefined;
  const match = /^(\d{1,15}(?:\.\d{1,6})?)\s*([A-Za-z]*)$/.exec(size.trim());
  if (match === null) return undefined;
  const unit = units.get((match[2] ?? '').toLowerCase());
  if (unit === undefined) return undefined;
  const bytes = Number(match[1]) * unit;
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** The shortest exact binary spelling: 67108864 is `64MiB`, 1000 stays `1000`. Reads back to the same number. */
export function formatSize(bytes: number): string {
  for (const unit of ['TiB', 'GiB', 'MiB', 'KiB']) {
    const factor = units.get(unit.toLowerCase())!;
    if (bytes >= factor && bytes % factor === 0) return `${bytes / factor}${unit}`;
  }
  return String(bytes);
}

/** The shortest exact spelling of a length of time: 30000 is `30s`, 1500 stays `1500ms`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0ms';
  for (const [unit, factor] of [['h', 3_600_000], ['m', 60_000], ['s', 1_000]] as const) {
    if (ms % factor === 0) return `${ms / factor}${unit}`;
  }
  return `${ms}ms`;
}
