import Table from 'cli-table3';
import { coloured, type Cli } from './cli.js';

/** A table for people. No colours of its own, so that it reads the same in a log; cells are shortened to the window. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new Table({ head: [...head], style: { head: [], border: [], compact: true } });
  for (const row of rows) table.push([...row]);
  return table.toString();
}

/** One line of it, without what would move the cursor or break the table; at most `width` characters. */
export function oneLine(text: string, width: number): string {
  const flat = text.replace(/[\s\u0000-\u001f\u007f-\u009f]+/gu, ' ').trim();
  const characters = [...flat];
  return characters.length <= width ? flat : `${characters.slice(0, Math.max(1, width - 1)).join('')}…`;
}

/** How much of the window a wide column may take when the others need `taken`. */
export function widthLeft(cli: Cli, taken: number): number {
  return Math.max(20, (cli.stdout.columns ?? 200) - taken);
}

export function healthWord(cli: Cli, word: string): string {
  if (!coloured(cli.stdout, cli.env)) return word;
  const colour = word === 'healthy' ? 32 : word === 'degraded' ? 33 : 31;
  return `\u001b[${colour}m${word}\u001b[39m`;
}

/** `1.4 MiB`: for reading, not for reading back. */
export function readableBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (value < 1_024) return `${unit === 'B' ? value : value.toFixed(1)} ${unit}`;
    value /= 1_024;
  }
  return `${value.toFixed(1)} TiB`;
}

/** `3d 4h`, `12m 5s`: the two largest units that say something. */
export function readableDuration(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  const parts = [[Math.floor(seconds / 86_400), 'd'], [Math.floor(seconds / 3_600) % 24, 'h'], [Math.floor(seconds / 60) % 60, 'm'], [seconds % 60, 's']] as const;
  const first = parts.findIndex(([count]) => count > 0);
  return first === -1 ? '0s' : parts.slice(first, first + 2).filter(([count], i) => i === 0 || count > 0).map(([count, unit]) => `${count}${unit}`).join(' ');
}
