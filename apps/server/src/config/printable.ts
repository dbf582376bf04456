import { keys } from './keys.js';
import type { LoadedConfig } from './load.js';
import { describeSource } from './settings.js';
import { formatValue } from './values.js';

export interface PrintableValue {
  readonly path: string;
  /** As one would write it in the file; `(not set)`, or `(secret)` for what nobody is shown. */
  readonly written: string;
  /** The same as JSON; absent when it is not set. */
  readonly value?: unknown;
  /** Where it was written. */
  readonly source: string;
}

/** Every value that is in force, fit to be shown: whatever prints or logs a configuration goes through here. */
export function printableConfig({ config, provenance }: LoadedConfig): readonly PrintableValue[] {
  return [...keys.values()].map((key) => {
    const value = key.path.split('.').reduce<unknown>((table, word) => (table as Record<string, unknown>)[word], config);
    const written = formatValue(key, value);
    const source = describeSource(provenance.get(key.path)!);
    if (value === undefined) return { path: key.path, written, source };
    return { path: key.path, written, source, value: key.secret ? written : (JSON.parse(written) as unknown) };
  });
}
