import { plusMs, type Instant, type NodeId } from '@engram/kernel';
import { Deadlines } from './deadlines.js';
import type { Address } from './member.js';
import type { RequestId, StreamId } from './messages.js';
import type { PacketWriter } from './packet-writer.js';
import type { SwimContext } from './swim-context.js';
import type { Claim } from './wire.js';

/** What a stream that we opened is for. */
export type Conversation =
  | SyncConversation
  | { readonly purpose: 'probe'; readonly to: Address; readonly seq: number }
  | { readonly purpose: 'verify'; readonly to: Address; readonly seq: number; readonly claim: Claim }
  | { readonly purpose: 'metadata'; readonly to: Address; readonly id: NodeId }
  | { readonly purpose: 'message'; readonly to: Address; readonly request: RequestId }
  | InquiryConversation;

/** `inquiry`: who do you hold under our id? `namesake`: are you there under our id? */
export interface InquiryConversation {
  readonly purpose: 'inquiry' | 'namesake';
  readonly to: Address;
}

export interface SyncConversation {
  readonly purpose: 'sync';
  readonly to: Address;
  readonly joining: boolean;
  readonly round: number;
  more: boolean;
}

/** Streams that we opened, each with its purpose and a deadline; `streamsMax` at most. The answering side keeps none. */
export class OpenStreams {
  readonly #context: SwimContext;
  readonly #writer: PacketWriter;
  readonly #conversations = new Map<StreamId, Conversation>();
  readonly #deadlines = new Deadlines<StreamId>();
  #next: StreamId = 1;

  constructor(context: SwimContext, writer: PacketWriter) {
    this.#context = context;
    this.#writer = writer;
  }

  get nextDeadline(): Instant | undefined { return this.#deadlines.next; }

  get(stream: StreamId): Conversation | undefined {
    return this.#conversations.get(stream);
  }

  /** How many are open for this. */
  count(purpose: Conversation['purpose']): number {
    let count = 0;
    for (const conversation of this.#conversations.values()) if (conversation.purpose === purpose) count++;
    return count;
  }

  syncWith(to: Address): SyncConversation | undefined {
    for (const conversation of this.#conversations.values()) if (conversation.purpose === 'sync' && conversation.to === to) return conversation;
    return undefined;
  }

  /** Opens a stream with one frame. False when as many as allowed are open. */
  open(conversation: Conversation, messages: readonly Uint8Array[], now: Instant): boolean {
    if (this.#conversations.size >= this.#context.options.streamsMax) return false;
    const stream = this.#next++;
    this.#conversations.set(stream, conversation);
    this.#deadlines.set(stream, plusMs(now, this.#context.options.streamTimeoutMs));
    this.#context.emit({ kind: 'open-stream', stream, to: conversation.to, bytes: this.#writer.frame(messages) });
    return true;
  }

  /** We have what we wanted. */
  end(stream: StreamId): void {
    if (this.over(stream)) this.#context.emit({ kind: 'close-stream', stream });
  }

  /** It has ended; what it was for, unless that was known already. */
  over(stream: StreamId): Conversation | undefined {
    const conversation = this.#conversations.get(stream);
    this.#conversations.delete(stream);
    if (conversation) this.#deadlines.delete(stream);
    return conversation;
  }

  due(now: Instant): readonly StreamId[] {
    return this.#deadlines.due(now);
  }

  postpone(ms: number): void {
    this.#deadlines.postpone(ms);
  }

  /** Closes all of them; what they were for. */
  closeAll(): readonly Conversation[] {
    const conversations = [...this.#conversations];
    this.#conversations.clear();
    this.#deadlines.clear();
    return conversations.map(([stream, conversation]) => {
      this.#context.emit({ kind: 'close-stream', stream });
      return conversation;
    });
  }
}
