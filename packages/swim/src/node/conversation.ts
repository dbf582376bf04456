import { randomBytes } from 'node:crypto';
import type { Opened, Seal, SealRejection } from './seal.js';
import { isSealed, sealOverheadBytes } from './seal.js';

export type FrameOpened = { readonly kind: 'opened'; readonly bytes: Uint8Array } | { readonly kind: 'rejected'; readonly reason: SealRejection };

/** How the frames of one stream are protected, from one side's point of view. */
export interface Conversation {
  /** What the accepting side sends before anything else; empty on the opening side. */
  readonly greeting: Uint8Array;
  /** How many bytes of greeting the opening side waits for; 0 on the accepting side. */
  readonly greetingBytes: number;
  greeted(greeting: Uint8Array): void;
  seal(frame: Uint8Array): Uint8Array;
  open(frame: Uint8Array): FrameOpened;
}

export interface Conversations {
  /** What protection adds to each frame. */
  readonly overheadBytes: number;
  open(): Conversation;
  accept(): Conversation;
}

const nothing = new Uint8Array(0);

/** Frames as they are. */
export const plainConversations: Conversations = {
  overheadBytes: 0,
  open: () => plainConversation,
  accept: () => plainConversation,
};

const plainConversation: Conversation = {
  greeting: nothing,
  greetingBytes: 0,
  greeted: () => undefined,
  seal: (frame) => frame,
  open: (frame) => (isSealed(frame) ? { kind: 'rejected', reason: 'sealed' } : { kind: 'opened', bytes: frame }),
};

const challengeBytes = 16;

/**
 * Sealed frames. The accepting side begins with a random challenge, and every frame is bound to it, to its direction and
 * to its place in the conversation; the answers are bound to the opener's first nonce besides. So a recorded stream
 * opens nothing anywhere, not even after a restart has emptied the replay windows, and no frame can be left out,
 * repeated or moved to another stream.
 *
 *     opener                     acceptor
 *       | --- connect ------------> |
 *       | <------- challenge ------ |
 *       | --- sealed(0) ----------> |
 *       | <---------- sealed(0) --- |
 */
export function sealedConversations(seal: Seal, challenge: () => Uint8Array = () => randomBytes(challengeBytes)): Conversations {
  return {
    overheadBytes: sealOverheadBytes,
    open: () => new SealedConversation(seal, 'opener', undefined),
    accept: () => new SealedConversation(seal, 'acceptor', challenge()),
  };
}

type Side = 'opener' | 'acceptor';

class SealedConversation implements Conversation {
  readonly greeting: Uint8Array;
  readonly greetingBytes: number;
  readonly #seal: Seal;
  readonly #side: Side;
  #challenge: Uint8Array;
  /** Of the opener's first frame. */
  #firstNonce: Uint8Array = nothing;
  #sealed = 0;
  #opened = 0;

  constructor(seal: Seal, side: Side, challenge: Uint8Array | undefined) {
    this.#seal = seal;
    this.#side = side;
    this.greeting = challenge ?? nothing;
    this.greetingBytes = challenge ? 0 : challengeBytes;
    this.#challenge = this.greeting;
  }

  greeted(greeting: Uint8Array): void {
    this.#challenge = greeting;
  }

  seal(frame: Uint8Array): Uint8Array {
    const sealed = this.#seal.seal(frame, this.#context(this.#side, this.#sealed++));
    if (this.#side === 'opener' && this.#sealed === 1) this.#firstNonce = this.#seal.nonceOf(sealed);
    return sealed;
  }

  open(frame: Uint8Array): FrameOpened {
    const other = this.#side === 'opener' ? 'acceptor' : 'opener';
    const opened: Opened = this.#seal.open(frame, this.#context(other, this.#opened));
    if (opened.kind === 'rejected') return opened;
    if (other === 'opener' && this.#opened === 0) this.#firstNonce = opened.nonce.bytes;
    this.#opened++;
    return { kind: 'opened', bytes: opened.bytes };
  }

  /** The opener's frames do not cover its first nonce: the first carries it, and the others follow that one by number. */
  #context(side: Side, index: number): Uint8Array {
    const head = Uint8Array.of(side === 'opener' ? 1 : 2, index >>> 24, index >>> 16, index >>> 8, index);
    return Buffer.concat(side === 'opener' ? [head, this.#challenge] : [head, this.#challenge, this.#firstNonce]);
  }
}
