import { EngramError } from '@engram/kernel';

/**
 * @param field What the caller knows the key as, for the message.
 * @throws EngramError `invalid_argument` unless the key is 1 to 255 printable ASCII characters.
 */
export function checkIdempotencyKey(key: string, field: string): void {
  if (/^[ -~]{1,255}$/.test(key)) return;
  throw new EngramError('invalid_argument', `${field} must be 1 to 255 printable ASCII characters; got ${key.length} characters.`, {
    hint: 'A UUID per distinct request makes a good key.',
    details: { field },
  });
}
