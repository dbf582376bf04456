import { ReplayGuard } from './replay-guard.js';
import { isSealed, sealOverheadBytes, type Seal, type SealRejection } from './seal.js';

export type DatagramOpened = { readonly kind: 'opened'; readonly bytes: Uint8Array } | { readonly kind: 'rejected'; readonly reason: SealRejection };

/** How datagrams are protected on their way. */
export interface DatagramGuard {
  seal(bytes: Uint8Array): Uint8Array;
  /** Never throws, whatever the bytes. */
  open(bytes: Uint8Array): DatagramOpened;
}

/** Datagrams as they are; those of a cluster that seals its own are told apart, so that the operator hears why. */
export const plainDatagrams: DatagramGuard = {
  seal: (bytes) => bytes,
  open: (bytes) => (isSealed(bytes) ? { kind: 'rejected', reason: 'sealed' } : { kind: 'opened', bytes }),
};

/** What the core would refuse is not decrypted first. */
const sealedBytesMax = 8_192 + sealOverheadBytes;
/** Starts of senders whose counters are remembered; each takes about 200 bytes. */
const sendersMax = 16_384;
/** Keeps datagrams and frames of streams apart: side 0 is none of a conversation's. */
const context = Uint8Array.of(0);

/** Sealed, and each accepted once. */
export function sealedDatagrams(seal: Seal, guard: ReplayGuard = new ReplayGuard(sendersMax)): DatagramGuard {
  return {
    seal: (bytes) => seal.seal(bytes, context),
    open(bytes) {
      if (bytes.length > sealedBytesMax) return { kind: 'rejected', reason: 'too-large' };
      const opened = seal.open(bytes, context);
      if (opened.kind === 'rejected') return opened;
      const isFresh = !seal.isOwn(opened.nonce) && guard.accept(opened.nonce.sender, opened.nonce.counter);
      return isFresh ? { kind: 'opened', bytes: opened.bytes } : { kind: 'rejected', reason: 'replayed' };
    },
  };
}
