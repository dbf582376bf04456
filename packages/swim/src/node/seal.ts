import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { hash64, type ClusterId } from '@engram/kernel';
import { keyIdBytes, type Keyring } from './keyring.js';
import { NonceSource, nonceBytes, type Nonce } from './nonce-source.js';

/**
 * A sealed packet:
 *
 *     2 bytes    "SE"
 *     1 byte     version
 *     4 bytes    first half of the hash of the cluster's name
 *     4 bytes    key id
 *     12 bytes   nonce: 8 random for this start of the sender, then its counter
 *     ...        the packet, under AES-256-GCM
 *     16 bytes   tag
 *
 * The tag covers everything before the packet as well, the whole name of the cluster, and the conversation it belongs
 * to. Nothing of a packet is parsed before its tag is found right.
 */
export const sealVersion = 1;
const magic = [0x53, 0x45] as const;
const clusterTagBytes = 4;
const clusterAt = 3;
const keyIdAt = clusterAt + clusterTagBytes;
const nonceAt = keyIdAt + keyIdBytes;
export const sealHeaderBytes = nonceAt + nonceBytes;
export const sealTagBytes = 16;
/** What sealing adds to a packet. */
export const sealOverheadBytes = sealHeaderBytes + sealTagBytes;

/** Why something that came off the wire was not opened. */
export type SealRejection =
  /** In the clear, while we want everything sealed. */
  | 'not-sealed'
  /** Sealed, while we use no keys. */
  | 'sealed'
  | 'too-large'
  | 'seal-version'
  | 'other-cluster'
  /** Under a key that is not in our keyring. */
  | 'unknown-key'
  /** The tag is wrong: changed, cut off, moved to another conversation, or made without the key. */
  | 'not-authentic'
  /** Seen before, older than what the window remembers, or sent by ourselves. */
  | 'replayed';

export type Opened = { readonly kind: 'opened'; readonly bytes: Uint8Array; readonly nonce: Nonce } | { readonly kind: 'rejected'; readonly reason: SealRejection };

/** Seals and opens packets of one cluster for one start of one node. It does not remember what it opened. */
export class Seal {
  readonly #keyring: Keyring;
  readonly #cluster: Uint8Array;
  readonly #clusterTag: Uint8Array;
  readonly #nonces: NonceSource;

  constructor(keyring: Keyring, cluster: ClusterId, nonces: NonceSource = new NonceSource(randomBytes)) {
    this.#keyring = keyring;
    this.#cluster = Buffer.from(cluster, 'utf8');
    const tag = new Uint8Array(8);
    new DataView(tag.buffer).setBigUint64(0, hash64(cluster));
    this.#clusterTag = tag.subarray(0, clusterTagBytes);
    this.#nonces = nonces;
  }

  /** `context` is what both sides know besides the packet; it is covered by the tag and does not travel. */
  seal(bytes: Uint8Array, context: Uint8Array): Uint8Array {
    const { key, idBytes } = this.#keyring.used;
    const sealed = Buffer.allocUnsafeSlow(sealOverheadBytes + bytes.length);
    sealed.set(magic);
    sealed[2] = sealVersion;
    sealed.set(this.#clusterTag, clusterAt);
    sealed.set(idBytes, keyIdAt);
    this.#nonces.writeNext(sealed, nonceAt);
    // OpenSSL wants a fresh cipher for each nonce; Node has no call that sets a new nonce on an old one.
    const cipher = createCipheriv('aes-256-gcm', key, sealed.subarray(nonceAt, sealHeaderBytes), { authTagLength: sealTagBytes });
    cipher.setAAD(this.#covered(sealed.subarray(0, sealHeaderBytes), context));
    sealed.set(cipher.update(bytes), sealHeaderBytes);
    cipher.final();
    sealed.set(cipher.getAuthTag(), sealed.length - sealTagBytes);
    return sealed;
  }

  /** Whether what was opened had been sealed here, and only comes back. */
  isOwn(nonce: Nonce): boolean {
    return this.#nonces.made(nonce);
  }

  /** Never throws, whatever the bytes. */
  open(sealed: Uint8Array, context: Uint8Array): Opened {
    const refusal = this.#refusalByHeader(sealed);
    if (refusal) return { kind: 'rejected', reason: refusal };
    const ringKey = this.#keyring.find(hexOf(sealed, keyIdAt, nonceAt));
    if (!ringKey) return { kind: 'rejected', reason: 'unknown-key' };
    const header = sealed.subarray(0, sealHeaderBytes);
    const nonce = header.subarray(nonceAt);
    const decipher = createDecipheriv('aes-256-gcm', ringKey.key, nonce, { authTagLength: sealTagBytes });
    decipher.setAAD(this.#covered(header, context));
    decipher.setAuthTag(sealed.subarray(sealed.length - sealTagBytes));
    const bytes = decipher.update(sealed.subarray(sealHeaderBytes, sealed.length - sealTagBytes));
    try {
      decipher.final();
    } catch {
      return { kind: 'rejected', reason: 'not-authentic' };
    }
    return { kind: 'opened', bytes, nonce: nonceOf(nonce) };
  }

  /** The nonce of something sealed here. */
  nonceOf(sealed: Uint8Array): Uint8Array {
    return sealed.slice(nonceAt, sealHeaderBytes);
  }

  #refusalByHeader(sealed: Uint8Array): SealRejection | undefined {
    if (!isSealed(sealed)) return 'not-sealed';
    if (sealed[2] !== sealVersion) return 'seal-version';
    if (sealed.length < sealOverheadBytes) return 'not-authentic';
    for (let i = 0; i < clusterTagBytes; i++) if (sealed[clusterAt + i] !== this.#clusterTag[i]) return 'other-cluster';
    return undefined;
  }

  /** Of the three parts only the last has no fixed place to end at, so no two contexts give the same bytes. */
  #covered(header: Uint8Array, context: Uint8Array): Uint8Array {
    const covered = Buffer.allocUnsafe(header.length + 1 + this.#cluster.length + context.length);
    covered.set(header);
    covered[header.length] = this.#cluster.length;
    covered.set(this.#cluster, header.length + 1);
    covered.set(context, header.length + 1 + this.#cluster.length);
    return covered;
  }
}

/** By its first bytes; says nothing about whether it can be opened. */
export function isSealed(bytes: Uint8Array): boolean {
  return bytes[0] === magic[0] && bytes[1] === magic[1];
}

function nonceOf(bytes: Uint8Array): Nonce {
  const counter = new DataView(bytes.buffer, bytes.byteOffset + 8).getUint32(0);
  return { sender: hexOf(bytes, 0, 8), counter, bytes: bytes.slice() };
}

function hexOf(bytes: Uint8Array, from: number, to: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('hex');
}
