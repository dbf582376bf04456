import { assert, parseNodeId, type ClusterId, type Random } from '@engram/kernel';
import { decodePacket, encodePacket, packetHeader, wireVersion, type Address, type Claim, type Identity, type WireMessage } from '../src/core/index.js';

/** How a hostile packet comes about. */
export type Hostility = 'random' | 'random-after-header' | 'mutated' | 'cut-off' | 'spliced' | 'lying-length' | 'deep' | 'other-version' | 'other-cluster' | 'wrong-types' | 'too-large';

export interface HostilePacket {
  readonly hostility: Hostility;
  readonly bytes: Uint8Array;
}

/** Beginnings of msgpack values that announce far more than follows: arrays, maps, binaries, texts, extensions. */
const lies: readonly (readonly number[])[] = [
  [0xdd, 0xff, 0xff, 0xff, 0xff], [0xdc, 0xff, 0xff], [0xdf, 0x7f, 0xff, 0xff, 0xff], [0xde, 0xff, 0xff], [0xc6, 0xff, 0xff, 0xff, 0xff],
  [0xdb, 0x7f, 0xff, 0xff, 0xff], [0xc5, 0xff, 0xff], [0xda, 0xff, 0xff], [0xc9, 0xff, 0xff, 0xff, 0xff, 0x01], [0xd9, 0xff], [0x9f], [0xbf],
];
/** Values of every other kind, some of which a decoder may turn into objects with behaviour: dates, records, references. */
const oddities: readonly (readonly number[])[] = [
  [0xc0], [0xc1], [0xc3], [0xd6, 0xff, 0, 0, 0, 0], [0xd4, 0x72, 0x40], [0xd4, 0x69, 0x00], [0xc7, 0x00, 0x70], [0xca, 0x7f, 0xc0, 0, 0], [0xcb, 0x7f, 0xf0, 0, 0, 0, 0, 0, 0],
  [0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0], [0xff], [0xe0], [0x80], [0x90], [0xa0], [0x81, 0xa9, 0x5f, 0x5f, 0x70, 0x72, 0x6f, 0x74, 0x6f, 0x5f, 0x5f, 0xc0],
];

const corpusSize = 512;

/** An endless, seeded stream of packets that nobody of ours would send, most of them nearly right. */
export class HostileDatagrams {
  readonly #random: Random;
  readonly #header: Uint8Array;
  readonly #otherHeader: Uint8Array;
  readonly #corpus: readonly Uint8Array[];
  readonly #ways: readonly (() => HostilePacket)[];

  /** The packets that are spoiled are those of a cluster of `names`, all at loopback addresses. */
  constructor(random: Random, cluster: ClusterId, names: readonly string[]) {
    this.#random = random;
    this.#header = packetHeader(cluster);
    this.#otherHeader = packetHeader(`${cluster}-other` as ClusterId);
    this.#corpus = Array.from({ length: corpusSize }, () => encodePacket(this.#header, { from: this.#identity(names), messages: this.#messages(names) }));
    const limits = { datagramBytesMax: 8_192, streamBytesMax: 1_048_576, metadataBytesMax: 16_384 };
    for (const bytes of this.#corpus) assert(decodePacket(bytes, this.#header, 'datagram', limits).kind === 'packet', 'what is spoiled was good before');
    const make = (hostility: Hostility, bytes: () => Uint8Array) => () => ({ hostility, bytes: bytes() });
    this.#ways = [
      make('random', () => random.bytes(random.below(1_400))),
      make('random-after-header', () => this.#join(this.#header, random.bytes(random.below(400)))),
      make('mutated', () => this.#mutated()),
      make('mutated', () => this.#mutated()),
      make('cut-off', () => this.#valid().slice(0, random.below(this.#valid().length))),
      make('spliced', () => this.#join(this.#valid().slice(0, random.below(200)), this.#valid().slice(random.below(60)))),
      make('lying-length', () => this.#planted(lies)),
      make('deep', () => this.#join(this.#header, new Uint8Array(1 + random.below(1_300)).fill(random.pick([0x91, 0x81, 0x92])))),
      make('other-version', () => this.#with(2, wireVersion + 1 + random.below(250))),
      make('other-cluster', () => this.#join(this.#otherHeader, this.#valid().slice(this.#otherHeader.length))),
      make('wrong-types', () => this.#planted(oddities)),
      make('too-large', () => this.#join(this.#valid(), new Uint8Array(8_192))),
    ];
  }

  next(): HostilePacket {
    return this.#random.pick(this.#ways)();
  }

  /** A packet as it should be. */
  valid(): Uint8Array {
    return this.#valid().slice();
  }

  #valid(): Uint8Array {
    return this.#random.pick(this.#corpus);
  }

  #mutated(): Uint8Array {
    const bytes = this.#valid().slice();
    for (let changes = 1 + this.#random.below(3); changes > 0; changes--) {
      const at = this.#random.below(bytes.length);
      bytes[at] = this.#random.chance(0.5) ? (bytes[at] as number) ^ (1 << this.#random.below(8)) : this.#random.below(256);
    }
    return bytes;
  }

  #planted(values: readonly (readonly number[])[]): Uint8Array {
    const bytes = this.#valid();
    const at = this.#header.length + this.#random.below(bytes.length - this.#header.length);
    return this.#join(bytes.slice(0, at), Uint8Array.from(this.#random.pick(values)), bytes.slice(at + this.#random.below(3)));
  }

  #with(at: number, value: number): Uint8Array {
    const bytes = this.#valid().slice();
    bytes[at] = value;
    return bytes;
  }

  #join(...parts: readonly Uint8Array[]): Uint8Array {
    return Buffer.concat(parts);
  }

  #identity(names: readonly string[]): Identity {
    return { id: parseNodeId(this.#random.pick(names)), epoch: 1 + this.#random.below(2 ** 31), incarnation: this.#random.below(100) };
  }

  #claim(names: readonly string[]): Claim {
    const state = this.#random.pick(['alive', 'suspect', 'dead', 'left'] as const);
    const identity = this.#identity(names);
    const metadata = state === 'alive' && this.#random.chance(0.5) ? { version: 1, bytesLength: 20, bytes: this.#random.bytes(20), hash: undefined } : undefined;
    const by = state === 'suspect' || state === 'dead' ? parseNodeId(this.#random.pick(names)) : undefined;
    return { kind: 'claim', ...identity, state, address: `127.0.0.1:${1 + this.#random.below(65_535)}` as Address, by, ageS: state === 'dead' || state === 'left' ? 5 : 0, metadata };
  }

  #messages(names: readonly string[]): WireMessage[] {
    const random = this.#random;
    const name = () => parseNodeId(random.pick(names));
    const first = random.pick<() => WireMessage>([
      () => ({ kind: 'ping', seq: random.uint32(), target: name(), view: random.uint32() }),
      () => ({ kind: 'ack', seq: random.uint32(), stranger: random.chance(0.5) }),
      () => ({ kind: 'ping-req', seq: random.uint32(), relay: name(), target: name() }),
      () => ({ kind: 'nack', seq: random.uint32() }),
      () => ({ kind: 'cluster-id', clusterId: random.pick(names) }),
      () => ({ kind: 'message', target: name(), epoch: 1_000, bytes: random.bytes(random.below(200)) }),
      () => ({ kind: 'broadcast', origin: name(), high: random.uint32(), low: random.uint32(), topic: 'topic', bytes: random.bytes(random.below(200)) }),
    ])();
    return [first, ...Array.from({ length: random.below(6) }, () => this.#claim(names))];
  }
}
