import { createHash, createSecretKey, randomBytes, type KeyObject } from 'node:crypto';
import { EngramError } from '@engram/kernel';

/** 32 bytes, or the same in base64, which is what `generateKey` gives. */
export type KeyMaterial = Uint8Array | string;

/** The first four bytes of a hash of the key, in hex. Travels in the clear, so that a receiver knows which key to try. */
export type KeyId = string;

export interface RingKey {
  readonly id: KeyId;
  readonly idBytes: Uint8Array;
  readonly key: KeyObject;
}

export const keyBytes = 32;
export const keyIdBytes = 4;
/** So many keys are a defect of whatever rotates them. */
const keysMax = 16;

/** A new key in base64, from the operating system's entropy. */
export function generateKey(): string {
  return randomBytes(keyBytes).toString('base64');
}

/**
 * The keys that a node accepts, and the one that it uses for what it sends. Rotating the key of a running cluster takes
 * three rounds over all nodes: `install` the new key everywhere, `use` it everywhere, `remove` the old one everywhere.
 * Between the rounds every node understands every other. Changes take effect with the next packet.
 *
 * Keys never appear in messages, in JSON or when the ring is inspected.
 */
export class Keyring {
  readonly #keys = new Map<KeyId, RingKey>();
  #used: RingKey;

  /** The first key is the one in use. Throws `invalid_argument` for a key that is not 32 bytes. */
  constructor(first: KeyMaterial, ...others: readonly KeyMaterial[]) {
    this.#used = this.#add(first);
    for (const other of others) this.#add(other);
  }

  /** Accepts packets under this key from now on. Installing a key again changes nothing. Returns its id. */
  install(material: KeyMaterial): KeyId {
    return this.#add(material).id;
  }

  /** Seals under this key from now on. Throws `invalid_argument` when it is not installed. */
  use(id: KeyId): void {
    this.#used = this.#installed(id);
  }

  /** Packets under this key are refused from now on. Throws `invalid_argument` for the key in use and for unknown ones. */
  remove(id: KeyId): void {
    if (this.#installed(id) === this.#used) throw new EngramError('invalid_argument', `key ${id} is in use`, { hint: 'Use another key first, on every node, then remove this one.' });
    this.#keys.delete(id);
  }

  /** Ids of all keys; the one in use first. */
  get ids(): readonly KeyId[] {
    return [this.#used.id, ...[...this.#keys.keys()].filter((id) => id !== this.#used.id)];
  }

  /** For the transport: what to seal with. @internal */
  get used(): RingKey {
    return this.#used;
  }

  /** For the transport: what to open with. @internal */
  find(id: KeyId): RingKey | undefined {
    return this.#keys.get(id);
  }

  /** The ids and nothing else, so that a ring that is logged gives no key away. */
  toJSON(): { readonly ids: readonly KeyId[] } {
    return { ids: this.ids };
  }

  #add(material: KeyMaterial): RingKey {
    const bytes = bytesOf(material);
    const idBytes = new Uint8Array(createHash('sha256').update('engram swim key id').update(bytes).digest().subarray(0, keyIdBytes));
    const id = Buffer.from(idBytes).toString('hex');
    const known = this.#keys.get(id);
    const key = createSecretKey(bytes);
    if (known?.key.equals(key)) return known;
    if (known) throw new EngramError('invalid_argument', `two different keys have the id ${id}`, { hint: 'Generate another key; one in four thousand million pairs collides.' });
    if (this.#keys.size >= keysMax) throw new EngramError('invalid_argument', `a keyring holds at most ${keysMax} keys`, { hint: 'Remove the keys that no node uses any more.' });
    const added: RingKey = { id, idBytes, key };
    this.#keys.set(id, added);
    return added;
  }

  #installed(id: KeyId): RingKey {
    const found = this.#keys.get(id);
    if (found) return found;
    throw new EngramError('invalid_argument', `no key with the id ${id} is installed`, { hint: `Install it first. Installed: ${this.ids.join(', ')}.` });
  }
}

/** The material is never shown in the complaint. */
function bytesOf(material: KeyMaterial): Uint8Array {
  const bytes = typeof material === 'string' ? Buffer.from(material, 'base64') : material;
  if (bytes instanceof Uint8Array && bytes.length === keyBytes) return bytes;
  throw new EngramError('invalid_argument', `a key is ${keyBytes} bytes, or those in base64; this one has ${bytes?.length ?? 'no'} bytes`, { hint: 'Make one with generateKey() or `openssl rand -base64 32`.' });
}
