import { assert } from '../assert.js';
import { EngramError } from '../errors.js';
import { codes, type SimContext } from './context.js';
import type { Address } from './env.js';
import type { NodePattern } from './faults.js';
import { Link, type DropReason, type Fate } from './link.js';
import type { LinkOptions } from './link-options.js';
import { LinkRules } from './link-rules.js';
import type { Machine } from './machine.js';
import { scattered, SimEvent, type TieSource } from './timeline.js';
import { noDrops, type NetworkTotals } from './traffic.js';

/** The network of a world, as its owner sees it. Patterns are names of nodes or `*`. */
export interface SimNetwork {
  /** Lays options over the defaults, for good. Saying it again for the same pair replaces what was said. */
  configure(from: NodePattern, to: NodePattern, link: LinkOptions): void;
  /** Lays options over all of that, until `heal`. */
  disturb(from: NodePattern, to: NodePattern, link: LinkOptions): void;
  /** Nothing passes from any of `from` to any of `to`, until `heal`. The other direction is left alone. */
  block(from: readonly NodePattern[], to: readonly NodePattern[]): void;
  /**
   * Two nodes reach each other only when they share a group, until `heal` or another partition. A node in two groups is
   * a bridge; a node in none keeps all its links.
   */
  partition(groups: readonly (readonly string[])[]): void;
  /** Takes away what `disturb`, `block` and `partition` did; what was configured stays. */
  heal(): void;
  /** Gives the address to another node, with whatever is under way to it. The former owner keeps sending from its others, or from none. */
  move(address: Address, to: string): void;
  /** The node that owns the address. */
  ownerOf(address: Address): string | undefined;
  /** All datagrams so far, a snapshot. */
  totals(): NetworkTotals;
}

/** How long a packet takes to its own sender. No link is involved and nothing goes wrong. */
const loopbackUs = 20;

export class Network implements SimNetwork {
  readonly #context: SimContext;
  readonly #rules: LinkRules;
  readonly #machines: ReadonlyMap<string, Machine>;
  readonly #owners = new Map<Address, Machine>();
  /** Reused for every datagram. */
  readonly #fate: Fate = { dropped: undefined, arrivesAt: 0, copyArrivesAt: 0, corrupted: false };
  readonly #dropped = noDrops();
  #streams = 0;
  #sent = 0;
  #duplicated = 0;
  #corrupted = 0;
  #delivered = 0;
  #inFlight = 0;

  constructor(context: SimContext, machines: ReadonlyMap<string, Machine>, defaults: LinkOptions) {
    this.#context = context;
    this.#machines = machines;
    this.#rules = new LinkRules(defaults);
  }

  configure(from: NodePattern, to: NodePattern, link: LinkOptions): void {
    this.#rules.configure(from, to, link);
    this.#changed('configure', `${from} -> ${to} ${JSON.stringify(link)}`);
  }

  disturb(from: NodePattern, to: NodePattern, link: LinkOptions): void {
    this.#rules.disturb(from, to, link);
    this.#changed('disturb', `${from} -> ${to} ${JSON.stringify(link)}`);
  }

  block(from: readonly NodePattern[], to: readonly NodePattern[]): void {
    this.#rules.block(from, to);
    this.#changed('block', `${from.join(' ')} -> ${to.join(' ')}`);
  }

  partition(groups: readonly (readonly string[])[]): void {
    this.#rules.partition(groups);
    this.#changed('partition', groups.map((group) => group.join(' ')).join(' | '));
  }

  heal(): void {
    this.#rules.heal();
    this.#changed('heal', '');
  }

  move(address: Address, to: string): void {
    const machine = this.#machines.get(to);
    if (machine === undefined) throw new EngramError('invalid_argument', `no node is called ${to}, so ${address} cannot move there`);
    this.own(address, machine);
    this.#changed('move', `${address} to ${to}`);
  }

  ownerOf(address: Address): string | undefined {
    return this.#owners.get(address)?.id;
  }

  totals(): NetworkTotals {
    return {
      sent: this.#sent,
      duplicated: this.#duplicated,
      corrupted: this.#corrupted,
      delivered: this.#delivered,
      inFlight: this.#inFlight,
      dropped: { ...this.#dropped },
    };
  }

  // What machines and connections call.

  machineAt(address: Address): Machine | undefined {
    return this.#owners.get(address);
  }

  own(address: Address, machine: Machine): void {
    this.#owners.get(address)?.losesAddress(address);
    this.#owners.set(address, machine);
    machine.gainsAddress(address);
  }

  nextStreamId(): number {
    return ++this.#streams;
  }

  linkBetween(from: Machine, to: Machine): Link {
    let link = from.links[to.index];
    if (link === undefined) {
      const tieKey = scattered(from.ties.key, to.ties.key);
      link = new Link(from.id, to.id, this.#rules.optionsOf(from.id, to.id), this.#rules.version, tieKey, this.#context);
      from.links[to.index] = link;
    } else if (link.version !== this.#rules.version) {
      link.options = this.#rules.optionsOf(from.id, to.id);
      link.version = this.#rules.version;
    }
    return link;
  }

  send(from: Machine, source: Address, to: Address, payload: Uint8Array): void {
    from.traffic.packetsOut++;
    from.traffic.bytesOut += payload.length;
    this.#sent++;
    this.#inFlight++;
    const target = this.#owners.get(to);
    if (target === undefined) return this.#drop('unreachable', from, to, payload.length);
    const now = this.#context.timeline.now;
    const bytes = payload.slice();
    if (target === from) return this.#fly(from, source, to, bytes, now + loopbackUs, from.ties);
    const link = this.linkBetween(from, target);
    const fate = this.#fate;
    link.judge(bytes.length, now, fate);
    if (fate.dropped !== undefined) return this.#drop(fate.dropped, from, to, bytes.length);
    if (fate.corrupted) this.#corrupted++;
    this.#fly(from, source, to, fate.corrupted ? link.flip(bytes) : bytes, fate.arrivesAt, link.ties);
    if (fate.copyArrivesAt === 0) return;
    this.#duplicated++;
    this.#inFlight++;
    this.#fly(from, source, to, bytes.slice(), fate.copyArrivesAt, link.ties);
  }

  /** A datagram has reached whoever owns its address by now. */
  arrive(delivery: Delivery): void {
    const target = this.#owners.get(delivery.to);
    const size = delivery.bytes.length;
    if (target === undefined) return this.#drop('unreachable', delivery.sender, delivery.to, size);
    if (!target.alive) return this.#drop('dead', target, delivery.to, size);
    if (target.blocked) {
      if (!target.buffer(delivery, size)) this.#drop('buffer-full', target, delivery.to, size);
      return;
    }
    const handler = target.receiver;
    if (handler === undefined) return this.#drop('not-listening', target, delivery.to, size);
    this.#deliver(delivery, target, handler);
  }

  drop(reason: DropReason, delivery: Delivery): void {
    const blamed = this.#owners.get(delivery.to) ?? delivery.sender;
    this.#drop(reason, blamed, delivery.to, delivery.bytes.length);
  }

  #deliver(delivery: Delivery, target: Machine, handler: (from: Address, bytes: Uint8Array) => void): void {
    const { hash } = this.#context;
    this.#inFlight--;
    this.#delivered++;
    target.traffic.packetsIn++;
    target.traffic.bytesIn += delivery.bytes.length;
    hash.addWord(codes.datagram);
    hash.addWord(delivery.sender.index);
    hash.addWord(target.index);
    hash.addBytes(delivery.bytes);
    if (this.#context.wants('datagram', target.id)) {
      this.#context.note(target.id, `got ${delivery.bytes.length} bytes from ${delivery.from}`);
    }
    target.enter();
    handler(delivery.from, delivery.bytes);
  }

  #fly(sender: Machine, from: Address, to: Address, bytes: Uint8Array, at: number, ties: TieSource): void {
    this.#context.timeline.schedule(new Delivery(this, sender, from, to, bytes), at, ties);
  }

  #drop(reason: DropReason, blamed: Machine, to: Address, size: number): void {
    this.#inFlight--;
    this.#dropped[reason]++;
    blamed.traffic.dropped[reason]++;
    this.#context.hash.addWord(codes.drop);
    this.#context.hash.addWord(blamed.index);
    if (this.#context.wants('datagram', blamed.id)) this.#context.note(blamed.id, `lost ${size} bytes to ${to}: ${reason}`);
  }

  #changed(what: string, text: string): void {
    this.#context.hash.addWord(codes.network);
    this.#context.hash.addText(what);
    this.#context.hash.addText(text);
    if (this.#context.wants('fault', '')) this.#context.note('', text === '' ? what : `${what} ${text}`);
  }
}

/** A datagram under way. */
export class Delivery extends SimEvent {
  readonly #network: Network;
  readonly sender: Machine;
  readonly from: Address;
  readonly to: Address;
  readonly bytes: Uint8Array;

  constructor(network: Network, sender: Machine, from: Address, to: Address, bytes: Uint8Array) {
    super();
    assert(to.length > 0, 'a datagram wants an address to go to');
    this.#network = network;
    this.sender = sender;
    this.from = from;
    this.to = to;
    this.bytes = bytes;
  }

  fire(): void {
    this.#network.arrive(this);
  }

  override discarded(): void {
    this.#network.drop('killed', this);
  }
}
