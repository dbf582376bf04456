import { assert, isClusterId, unreachable, type ClusterId, type Instant } from '@engram/kernel';
import { clusterTag, encodeMessage, packetHeader } from './codec.js';
import type { Rejection, RequestId } from './messages.js';
import type { News } from './news.js';
import type { SwimContext } from './swim-context.js';
import type { Channel, Packet } from './wire.js';

/**
 * What a packet's header and its `cluster-id` message, when it has one, mean to us.
 *
 * - `ours`: of our cluster, or of a node that knows no id yet.
 * - `introduced`: we know no id, and this packet says whose we are.
 * - `unnamed`: we know no id, and the packet is of a cluster that it does not name in full.
 * - `other`: of a cluster of our name that is not ours.
 * - `false`: it names a cluster that its header does not stand for. None of our packets does.
 */
type Belonging = 'ours' | 'introduced' | 'unnamed' | 'other' | 'false';

/**
 * Which cluster this node is of: by name from the start, by id once there is one. Two clusters that were formed under one
 * name have different ids, and refuse each other for good. An id, once known, never changes.
 */
export class ClusterIdentity {
  readonly #name: ClusterId;
  readonly #context: SwimContext;
  readonly #news: News;
  #id: string | undefined;
  #header: Uint8Array;
  #introduction: readonly Uint8Array[] = [];

  constructor(name: ClusterId, id: string | undefined, context: SwimContext, news: News) {
    this.#name = name;
    this.#context = context;
    this.#news = news;
    this.#header = packetHeader(name);
    if (id !== undefined) this.#set(id);
  }

  /** Undefined while the cluster is not formed, as far as this node knows. */
  get id(): string | undefined { return this.#id; }
  /** Of every packet we send; what comes is compared with it. */
  get header(): Uint8Array { return this.#header; }
  /** Our id as a message for whoever does not know it; nothing while we know none. */
  get introduction(): readonly Uint8Array[] { return this.#introduction; }

  setOnDemand(request: RequestId, id: string, now: Instant): void {
    const context = this.#context;
    if (!isClusterId(id)) return context.refuse(request, 'invalid_argument', 'the id of a cluster is 1 to 64 characters of A-Z a-z 0-9 . _ - and does not start with a dot');
    if (this.#id !== undefined && this.#id !== id) return context.refuse(request, 'id_conflict', `this node belongs to the cluster ${this.#id} already, so it cannot belong to ${id}`);
    if (this.#id === undefined) {
      this.#set(id);
      this.#passOn(now);
    }
    context.complete(request);
  }

  /**
   * What of a packet is for us, or why nothing is; `tag` is that of its header, which was let through already.
   *
   * Whoever does not name its cluster in full to us, who know none, is answered, so that it sees we know none and tells us.
   * Nothing it says about members is believed before: they would stay in our view should another cluster tell us its id
   * first.
   */
  admit(packet: Packet, tag: number, channel: Channel, now: Instant): Packet | Rejection {
    const belonging = this.#belonging(packet, tag);
    switch (belonging) {
      case 'ours':    return packet;
      case 'introduced':
        this.#context.emit({ kind: 'cluster-id-learned', clusterId: this.#id as string });
        this.#passOn(now);
        return packet;
      // Frames always name their cluster, so only a datagram can be one of ours.
      case 'unnamed': return channel === 'stream' ? 'other-cluster-id' : { from: packet.from, messages: packet.messages.filter(({ kind }) => kind === 'ping' || kind === 'ack') };
      case 'other':   return 'other-cluster-id';
      case 'false':   return 'bad-message';
      default:        return unreachable(belonging);
    }
  }

  #belonging({ messages }: Packet, tag: number): Belonging {
    const said = messages.find((message) => message.kind === 'cluster-id');
    if (said && clusterTag(this.#name, said.clusterId) !== tag) return 'false';
    if (this.#id !== undefined) return said && said.clusterId !== this.#id ? 'other' : 'ours';
    if (!said) return tag === 0 ? 'ours' : 'unnamed';
    this.#set(said.clusterId);
    return 'introduced';
  }

  #set(id: string): void {
    assert(isClusterId(id) && this.#id === undefined, 'the id of a cluster is set once', { id });
    this.#id = id;
    this.#header = packetHeader(this.#name, id);
    this.#introduction = [encodeMessage({ kind: 'cluster-id', clusterId: id })];
  }

  /** Members that know no id yet are told by gossip; whoever is missed is told when it answers or asks. */
  #passOn(now: Instant): void {
    if (this.#context.phase !== 'joined') return;
    for (const introduction of this.#introduction) this.#news.broadcast('cluster-id', introduction, now);
  }
}
