import { hash64, parseMemoryId, type MemoryId, type SpaceId } from '@engram/kernel';

/** Crockford's base 32, as in a ULID. */
const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/** The id of a memory that is stored under an idempotency key: 128 bits of hash, written like a ULID. The same request has the same id on every node. */
export function idOfRequest(space: SpaceId, idempotencyKey: string, fingerprint: string): MemoryId {
  const text = `${space}/${idempotencyKey}/${fingerprint}`;
  let bits = (hash64(text, 1n) << 64n) | hash64(text, 2n);
  let id = '';
  for (let i = 0; i < 26; i++) {
    id = `${alphabet[Number(bits & 31n)]}${id}`;
    bits >>= 5n;
  }
  return parseMemoryId(id);
}
