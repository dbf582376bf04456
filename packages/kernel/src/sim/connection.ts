import { codes, type SimContext } from './context.js';
import type { Address, SimStream, StreamClosed, StreamHandlers } from './env.js';
import type { Life } from './life.js';
import type { Link } from './link.js';
import type { Machine } from './machine.js';
import type { Network } from './network.js';
import { SimEvent } from './timeline.js';

/** First wait before something is sent again; doubles up to the second, as a kernel's retransmission timer does. */
const retryUsMin = 200_000;
const retryUsMax = 60_000_000;
/** How long anything takes that does not leave the machine. */
const localUs = 20;

/**
 *     a: connect -> syn -> b: accept        b: syn-ack -> a: onOpen
 *     a: write   -> data -> b: onData       (and the same the other way)
 *     a: end     -> fin -> b: onEnd         b: end -> fin -> a: onEnd; both: onClosed('ended')
 *     a: reset   -> rst -> b: onClosed('reset')
 *
 * `cut` is data of which only a beginning arrives before both ends are reset.
 */
type SegmentKind = 'syn' | 'syn-ack' | 'data' | 'fin' | 'rst' | 'cut';

/** What the faults of the link decided when the connection was asked for. */
interface Verdict {
  readonly refuse: boolean;
  readonly hang: boolean;
  loseReply: boolean;
}

const nothing = new Uint8Array(0);

/** One end of a connection, and everything it has sent that the other end has not been handed yet. */
export class StreamEnd implements SimStream {
  readonly id: number;
  readonly peer: Address;
  readonly machine: Machine;
  readonly life: Life;
  handlers: StreamHandlers;
  other: StreamEnd | undefined;

  readonly #context: SimContext;
  readonly #network: Network;
  readonly #verdict: Verdict;
  readonly #connecting: boolean;
  #state: 'connecting' | 'open' | 'over' = 'connecting';
  /** Written before the connection stood. */
  #early: Segment[] = [];
  /** Sent, did not get through, and will be sent again; what is written meanwhile queues behind. */
  #stalled: Segment[] = [];
  #retryUs = retryUsMin;
  #waitingSince = 0;
  #lastArrival = 0;
  #unreadBytes = 0;
  #undelivered = 0;
  #wantsDrain = false;
  #finSent = false;
  #finDelivered = false;
  #finReceived = false;

  private constructor(id: number, peer: Address, machine: Machine, life: Life, handlers: StreamHandlers, connecting: boolean, verdict: Verdict, context: SimContext, network: Network) {
    this.id = id;
    this.peer = peer;
    this.machine = machine;
    this.life = life;
    this.handlers = handlers;
    this.#connecting = connecting;
    this.#verdict = verdict;
    this.#context = context;
    this.#network = network;
  }

  static connect(life: Life, to: Address, handlers: StreamHandlers, context: SimContext, network: Network): StreamEnd {
    const { machine } = life;
    const target = network.machineAt(to);
    const link = network.linkBetween(machine, target ?? machine);
    // All three are drawn whatever they are, so that changing one shifts nothing.
    const refuse = link.streamChance(link.options.streamRefuse);
    const hang = link.streamChance(link.options.streamHang);
    const loseReply = link.streamChance(link.options.streamLoseReply);
    const end = new StreamEnd(network.nextStreamId(), to, machine, life, handlers, true, { refuse, hang, loseReply }, context, network);
    if (!machine.holdStream(end)) {
      end.#finish('refused', localUs);
      return end;
    }
    machine.traffic.streamsOpened++;
    end.#send('syn', nothing);
    return end;
  }

  get open(): boolean {
    return this.#state !== 'over';
  }

  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  write(bytes: Uint8Array): boolean {
    this.life.check();
    if (this.#state === 'over' || this.#finSent) return false;
    const link = this.#faultLink();
    if (this.#unreadBytes + bytes.length > link.options.streamBufferBytesMax) {
      this.#wantsDrain = true;
      return false;
    }
    this.#unreadBytes += bytes.length;
    this.machine.traffic.streamBytesOut += bytes.length;
    this.#sendData(bytes, link);
    return true;
  }

  end(): void {
    this.life.check();
    if (this.#state === 'over' || this.#finSent) return;
    this.#finSent = true;
    this.#send('fin', nothing);
  }

  reset(): void {
    this.life.check();
    if (this.#state === 'over') return;
    this.#sendReset();
    this.#finish('aborted', 0);
  }

  /** The process is gone. Its kernel cuts the stream, unless that is gone as well. */
  orphaned(kernelLives: boolean): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    if (kernelLives) this.#sendReset();
    this.#forgetSegments();
  }

  /** A segment that this end sent has reached the machine it went to. */
  arrived(segment: Segment): void {
    const target = segment.target as Machine;
    if (target.blocked) {
      target.bufferSegment(segment);
      return;
    }
    if (segment.kind === 'syn') this.#reachListener(segment, target);
    else this.other?.receive(segment);
  }

  receive(segment: Segment): void {
    if (!this.life.alive && !this.machine.kernelAlive) return segment.sender.#stall(segment);
    if (this.#state === 'over') {
      if (segment.kind !== 'rst') this.#sendReset();
      return;
    }
    segment.sender.#delivered(segment);
    this.#hash(codes.segment, segment.kind, segment.bytes);
    this.machine.enter();
    switch (segment.kind) {
      case 'syn-ack': return this.#opened();
      case 'data':    return this.#take(segment.bytes);
      case 'cut':     return this.#takeCut(segment.bytes);
      case 'fin':     return this.#peerEnded();
      case 'rst':     return this.#close('reset');
      case 'syn':     return;
    }
  }

  /** It lay unread on a machine whose process was killed. */
  unread(segment: Segment): void {
    if (segment.kind !== 'rst') this.#stall(segment);
  }

  /** Nothing got through: send it all again, or give up. */
  retry(): void {
    if (this.#state === 'over') return;
    const timeoutUs = this.#faultLink().options.streamTimeoutMs * 1_000;
    if (this.#context.timeline.now - this.#waitingSince >= timeoutUs) return this.#finish('timeout', 0);
    const again = this.#stalled;
    this.#stalled = [];
    for (const segment of again) this.#transmit(segment);
  }

  notify(notice: 'drain' | StreamClosed): void {
    if (!this.life.alive) return;
    this.#hash(codes.streamNotice, notice, nothing);
    this.machine.enter();
    if (notice === 'drain') {
      if (this.#state !== 'over') this.handlers.onDrain?.();
      return;
    }
    this.handlers.onClosed?.(notice);
  }

  #reachListener(segment: Segment, target: Machine): void {
    if (this.#state === 'over') return;
    if (!target.kernelAlive) return this.#stall(segment);
    this.#delivered(segment);
    const { acceptor, life } = target;
    if (acceptor === undefined || life === undefined || this.#verdict.refuse) return this.#finish('refused', this.#delayFrom(target));
    const accepted = new StreamEnd(this.#network.nextStreamId(), segment.source, target, life, {}, false, this.#verdict, this.#context, this.#network);
    if (!target.holdStream(accepted)) return this.#finish('refused', this.#delayFrom(target));
    this.other = accepted;
    accepted.other = this;
    accepted.#state = 'open';
    accepted.#hash(codes.segment, 'syn', nothing);
    accepted.#send('syn-ack', nothing);
    target.enter();
    accepted.handlers = acceptor(accepted, segment.source);
  }

  #opened(): void {
    this.#state = 'open';
    const early = this.#early;
    this.#early = [];
    for (const segment of early) this.#transmit(segment);
    this.handlers.onOpen?.();
  }

  #take(bytes: Uint8Array): void {
    this.machine.traffic.streamBytesIn += bytes.length;
    this.handlers.onData?.(bytes);
  }

  #takeCut(bytes: Uint8Array): void {
    if (bytes.length > 0) this.#take(bytes);
    if (this.#state === 'over') return;
    this.#sendReset();
    this.#close('reset');
  }

  #peerEnded(): void {
    this.#finReceived = true;
    const other = this.other as StreamEnd;
    other.#finDelivered = true;
    if (other.#finReceived) other.#finish('ended', localUs);
    this.handlers.onEnd?.();
    if (this.#finDelivered && this.#state !== 'over') this.#close('ended');
  }

  /** The other end has been handed one of our segments. */
  #delivered(segment: Segment): void {
    if (segment.kind === 'rst') return; // Nobody waits for it.
    this.#undelivered--;
    this.#waitingSince = this.#context.timeline.now;
    this.#retryUs = retryUsMin;
    this.#unreadBytes -= segment.charged;
    if (!this.#wantsDrain || segment.charged === 0) return;
    this.#wantsDrain = false;
    this.#context.timeline.schedule(new Notice(this, 'drain'), this.#context.timeline.now + localUs, this.machine.ties);
  }

  #sendData(bytes: Uint8Array, link: Link): void {
    const cut = link.streamChance(link.options.streamReset);
    if (!this.#connecting && this.#verdict.loseReply) {
      this.#verdict.loseReply = false;
      this.#send('cut', nothing, bytes.length);
    } else if (cut && bytes.length > 0) {
      this.#send('cut', bytes.slice(0, link.streamBelow(bytes.length)), bytes.length);
    } else {
      this.#send('data', bytes.slice(), bytes.length);
    }
  }

  #send(kind: SegmentKind, bytes: Uint8Array, charged = 0): void {
    if (this.#undelivered++ === 0) this.#waitingSince = this.#context.timeline.now;
    const segment = new Segment(this, this.machine.address, kind, bytes, charged);
    if (this.#state === 'connecting' && kind !== 'syn') this.#early.push(segment);
    else this.#transmit(segment);
  }

  #transmit(segment: Segment): void {
    if (this.#stalled.length > 0 || !this.#passes(segment)) this.#stall(segment);
  }

  /** Puts the segment under way; false when the link swallows it. */
  #passes(segment: Segment): boolean {
    const target = segment.kind === 'syn' ? this.#network.machineAt(this.peer) : this.other?.machine;
    const { timeline } = this.#context;
    if (target === undefined) return false;
    let at = timeline.now + localUs;
    if (target !== this.machine) {
      const link = this.#network.linkBetween(this.machine, target);
      const lost = link.streamChance(link.options.loss);
      const delayUs = link.streamDelayUs();
      const hung = this.#verdict.hang && segment.kind !== 'syn' && segment.kind !== 'syn-ack';
      if (lost || hung || link.options.blocked) return false;
      at = link.enqueue(segment.bytes.length, timeline.now) + delayUs;
    }
    this.#lastArrival = Math.max(at, this.#lastArrival + 1);
    segment.target = target;
    timeline.schedule(segment, this.#lastArrival, this.machine.ties);
    return true;
  }

  #stall(segment: Segment): void {
    if (this.#state === 'over') return;
    this.#stalled.push(segment);
    if (this.#stalled.length > 1) return;
    const { timeline } = this.#context;
    const givesUpAt = this.#waitingSince + this.#faultLink().options.streamTimeoutMs * 1_000;
    timeline.schedule(new Retry(this), Math.max(timeline.now, Math.min(timeline.now + this.#retryUs, givesUpAt)), this.machine.ties);
    this.#retryUs = Math.min(this.#retryUs * 2, retryUsMax);
  }

  /** Tells the other end once, if the link lets it: a reset that is lost is not repeated until something is sent here again. */
  #sendReset(): void {
    const { other } = this;
    if (other === undefined) return;
    const { timeline } = this.#context;
    let at = timeline.now + localUs;
    if (other.machine !== this.machine) {
      const link = this.#network.linkBetween(this.machine, other.machine);
      const delayUs = link.streamDelayUs();
      if (link.options.blocked || this.#verdict.hang) return;
      at = timeline.now + delayUs;
    }
    const segment = new Segment(this, this.machine.address, 'rst', nothing, 0);
    segment.target = other.machine;
    timeline.schedule(segment, at, this.machine.ties);
  }

  /** Over, from within an event of this end's own machine. */
  #close(why: StreamClosed): void {
    this.#state = 'over';
    this.#forgetSegments();
    this.machine.dropStream(this);
    this.handlers.onClosed?.(why);
  }

  /** Over, and told so by an event of its own: for whoever is in the middle of something else. */
  #finish(why: StreamClosed, afterUs: number): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    this.#forgetSegments();
    this.machine.dropStream(this);
    const { timeline } = this.#context;
    timeline.schedule(new Notice(this, why), timeline.now + afterUs, this.machine.ties);
  }

  #forgetSegments(): void {
    this.#early = [];
    this.#stalled = [];
    this.#unreadBytes = 0;
  }

  /** Stream faults are those of the direction in which the connection was asked for. */
  #faultLink(): Link {
    const far = this.other?.machine ?? this.#network.machineAt(this.peer) ?? this.machine;
    return this.#connecting ? this.#network.linkBetween(this.machine, far) : this.#network.linkBetween(far, this.machine);
  }

  #delayFrom(far: Machine): number {
    return far === this.machine ? localUs : this.#network.linkBetween(far, this.machine).streamDelayUs();
  }

  #hash(code: number, what: string, bytes: Uint8Array): void {
    const { hash } = this.#context;
    hash.addWord(code);
    hash.addWord(this.id);
    hash.addText(what);
    hash.addBytes(bytes);
    if (!this.#context.wants('stream', this.machine.id)) return;
    const size = bytes.length > 0 ? ` of ${bytes.length} bytes` : '';
    this.#context.note(this.machine.id, `stream ${this.id} with ${this.peer}: ${what}${size}`);
  }
}

/** A piece of a stream under way. */
export class Segment extends SimEvent {
  readonly sender: StreamEnd;
  readonly source: Address;
  readonly kind: SegmentKind;
  readonly bytes: Uint8Array;
  /** What it counts for in the buffer of its sender. */
  readonly charged: number;
  target: Machine | undefined;

  constructor(sender: StreamEnd, source: Address, kind: SegmentKind, bytes: Uint8Array, charged: number) {
    super();
    this.sender = sender;
    this.source = source;
    this.kind = kind;
    this.bytes = bytes;
    this.charged = charged;
  }

  fire(): void {
    this.sender.arrived(this);
  }

  override discarded(): void {
    this.sender.unread(this);
  }
}

class Retry extends SimEvent {
  readonly #end: StreamEnd;

  constructor(end: StreamEnd) {
    super();
    this.#end = end;
  }

  fire(): void {
    this.#end.retry();
  }
}

class Notice extends SimEvent {
  readonly #end: StreamEnd;
  readonly #what: 'drain' | StreamClosed;

  constructor(end: StreamEnd, what: 'drain' | StreamClosed) {
    super();
    this.#end = end;
    this.#what = what;
  }

  fire(): void {
    const { machine } = this.#end;
    if (machine.blocked) machine.bufferSegment(this);
    else this.#end.notify(this.#what);
  }
}
