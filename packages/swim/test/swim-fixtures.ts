import { instant, parseClusterId, parseNodeId, plusMs, Random, wake, type Instant, type NodeId } from '@engram/kernel';
import { decodePacket, encodePacket, packetHeader, SwimCore, type Address, type Claim, type DecodeLimits, type Identity, type MemberState, type Packet, type SwimEffect, type SwimEvent, type SwimOptions, type WireMessage } from '../src/core/index.js';

export const cluster = parseClusterId('test');
export const header = packetHeader(cluster);
export const clusterHeader = (clusterId: string | undefined): Uint8Array => packetHeader(cluster, clusterId);
export const limits: DecodeLimits = { datagramBytesMax: 8_192, streamBytesMax: 1_048_576, metadataBytesMax: 16_384 };
export const epochOfTests = 1_000;

export const id = (name: string): NodeId => parseNodeId(name);
export const addressOf = (name: string): Address => `10.0.0.1:${name}` as Address;
export const identity = (name: string, incarnation = 0, epoch = epochOfTests): Identity => ({ id: id(name), epoch, incarnation });

export function claim(name: string, state: MemberState = 'alive', more: Partial<Claim> = {}): Claim {
  const by = state === 'suspect' || state === 'dead' ? id('z') : undefined;
  return { kind: 'claim', ...identity(name), address: addressOf(name), state, by, ageS: 0, metadata: undefined, ...more };
}

export function packetBytes(from: Identity, ...messages: WireMessage[]): Uint8Array {
  return encodePacket(header, { from, messages });
}

export function packetOf(bytes: Uint8Array, channel: 'datagram' | 'stream' = 'datagram'): Packet {
  const outcome = decodePacket(bytes, header, channel, limits);
  if (outcome.kind === 'rejected') throw new Error(`our own packet is rejected: ${outcome.reason}`);
  return outcome.packet;
}

/** An effect with its bytes decoded, so that tests compare what is said. */
export type Readable = Record<string, unknown> & { readonly kind: string };

export function readable(effects: readonly SwimEffect[]): Readable[] {
  return effects.map((effect) => {
    if (effect.kind === 'send-datagram') return { kind: 'send-datagram', to: effect.to, says: packetOf(effect.bytes).messages };
    if (effect.kind === 'open-stream') return { kind: 'open-stream', stream: effect.stream, to: effect.to, says: packetOf(effect.bytes, 'stream').messages };
    if (effect.kind === 'send-stream') return { kind: 'send-stream', stream: effect.stream, says: packetOf(effect.bytes, 'stream').messages };
    return effect as unknown as Readable;
  });
}

/** One core in the hands of a test that plays the rest of the world. */
export class Bench {
  readonly core: SwimCore;
  now: Instant = instant(0);

  constructor(options: SwimOptions = {}, name = 'a', metadata?: Uint8Array, more: { readonly clusterId?: string } = {}) {
    this.core = new SwimCore({ cluster, id: id(name), address: addressOf(name), epoch: epochOfTests, ...(metadata && { metadata }), ...more }, Random.fromSeed(7), options);
  }

  /** A node that has not joined, of a cluster with this id. */
  static apart(more: { readonly clusterId: string }): Bench {
    return new Bench({}, 'a', undefined, more);
  }

  /** A node that has joined and been told of these members by gossip; the news has settled. */
  static joined(names: readonly string[], options: SwimOptions = {}): Bench {
    const bench = new Bench(options);
    bench.give({ kind: 'join', request: 1 });
    if (names.length > 0) bench.datagram(identity(names[0] as string), ...names.map((name) => claim(name)));
    return bench;
  }

  get ms(): number {
    return this.now / 1_000;
  }

  give(event: SwimEvent): readonly SwimEffect[] {
    return this.core.handle(event, this.now);
  }

  datagram(from: Identity, ...messages: WireMessage[]): readonly SwimEffect[] {
    return this.give({ kind: 'datagram-received', from: addressOf(from.id), bytes: packetBytes(from, ...messages) });
  }

  frame(stream: number, from: Identity, ...messages: WireMessage[]): readonly SwimEffect[] {
    return this.give({ kind: 'stream-received', stream, from: addressOf(from.id), bytes: packetBytes(from, ...messages) });
  }

  /** Wakes the core whenever it asks, until that time; returns all effects. */
  runMs(ms: number, onEffect: (effect: SwimEffect) => void = () => {}): SwimEffect[] {
    const end = plusMs(this.now, ms);
    const all: SwimEffect[] = [];
    for (;;) {
      const at = this.core.nextWake();
      if (at === undefined || at > end) break;
      if (at > this.now) this.now = at;
      for (const effect of this.core.handle(wake, this.now)) {
        all.push(effect);
        onEffect(effect);
      }
    }
    this.now = end;
    return all;
  }

  /** As above, with every ping answered by its target at once: all is well. */
  runWellMs(ms: number, silent: readonly string[] = []): SwimEffect[] {
    return this.runMs(ms, (effect) => {
      if (effect.kind !== 'send-datagram') return;
      for (const message of packetOf(effect.bytes).messages) {
        if (message.kind === 'ping' && !silent.includes(message.target)) this.datagram(this.identityOf(message.target), { kind: 'ack', seq: message.seq, stranger: false });
      }
    });
  }

  /** As this node knows it. */
  identityOf(who: NodeId): Identity {
    const { epoch, incarnation } = this.core.member(who) ?? identity(who);
    return { id: who, epoch, incarnation };
  }

  states(): Record<string, string> {
    return Object.fromEntries(this.core.view().members.map((member) => [member.id, member.state]));
  }
}

/** What is sent of one kind, by datagram. */
export function said<Kind extends WireMessage['kind']>(effects: readonly SwimEffect[], kind: Kind): { to: Address; message: Extract<WireMessage, { kind: Kind }> }[] {
  const found: { to: Address; message: Extract<WireMessage, { kind: Kind }> }[] = [];
  for (const effect of effects) {
    if (effect.kind !== 'send-datagram') continue;
    for (const message of packetOf(effect.bytes).messages) if (message.kind === kind) found.push({ to: effect.to, message: message as never });
  }
  return found;
}

export function kindsOf(effects: readonly SwimEffect[]): string[] {
  return effects.map(({ kind }) => kind);
}
