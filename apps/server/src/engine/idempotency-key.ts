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

/** Each item of a batch under one idempotency key has a key of its own, so that a repeated batch repeats item by item. */
export function itemKey(key: string | undefined, index: number): string | undefined {
  return key === undefined ? undefined : `${key}#${index}`;
}

/** The key that a client gave, of one that may be an item's. */
export function givenKey(key: string): string {
  return key.replace(/#\d{1,9}$/, '');
}
