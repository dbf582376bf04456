import { readFileSync } from 'node:fs';
import { EngramError } from '@engram/kernel';

/** Throws `invalid_argument` saying why the file cannot be read. */
export function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new EngramError('invalid_argument', `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'}`, { cause, hint: 'Give a file that `netsim run --save` has written.' });
  }
}
