import { OptionsError, shown } from '@engram/kernel';

/** What every source lets its user choose. */
export interface SourceTiming {
  /** In health, metrics and logs; needed to have two of a kind. @default the kind of the source */
  readonly name?: string;
  /** How often to ask. A shorter interval finds new nodes sooner, and asks more of the source. @default 30_000 */
  readonly refreshMs?: number;
  /** How long one look-up may take. @default 2_000 */
  readonly timeoutMs?: number;
}

/** Throws `invalid_options` naming `option` unless `value` is a whole number within the bounds. */
export function checkWhole(option: string, value: unknown, min: number, max: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw new OptionsError(option, `must be a whole number from ${min} to ${max}, not ${shown(value)}`);
}
