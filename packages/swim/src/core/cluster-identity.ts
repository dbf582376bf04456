import { assert, isClusterId, type ClusterId } from '@engram/kernel';
import { clusterTag, encodeMessage, packetHeader } from './codec.js';
import type { Packet } from './wire.js';

/**
 * What a packet's header and its `cluster-id` message, when it has one, mean to us.
 *
 * - `ours`: of our cluster, or of a node that knows no id yet.
 * - `learned`: we knew no id, and this packet says whose we are.
 * - `unnamed`: we know no id, and the packet is of a cluster that it does not name in full. Such a sender is answered, so
 *   that it sees we know nothing and tells us; nothing it says about members is believed before, because they would
 *   stay in our view should another cluster tell us its id first.
 * - `other`: of a cluster of our name that is not ours.
 * - `false`: it names a cluster that its header does not stand for. None of our packets does.
 */
export type Belonging = 'ours' | 'learned' | 'unnamed' | 'other' | 'false';

/**
 * Which cluster this node is of: by name from the start, by id once there is one. Two clusters that were formed under one
 * name have different ids, and refuse each other for good. An id, once known, never changes.
 */
export class ClusterIdentity {
  readonly #name: ClusterId;
  #id: string | undefined;
  #header: Uint8Array;
  #introduction: readonly Uint8Array[] = [];

  constructor(name: ClusterId, id: string | undefined) {
    this.#name = name;
    this.#header = packetHeader(name);
    if (id !== undefined) this.set(id);
  }

  /** Undefined while the cluster is not formed, as far as this node knows. */
  get id(): string | undefined { return this.#id; }
  /** Of every packet we send; what comes is compared with it. */
  get header(): Uint8Array { return this.#header; }
  /** Our id as a message for whoever does not know it; nothing while we know none. */
  get introduction(): readonly Uint8Array[] { return this.#introduction; }

  set(id: string): void {
    assert(isClusterId(id) && this.#id === undefined, 'the id of a cluster is set once', { id });
    this.#id = id;
    this.#header = packetHeader(this.#name, id);
    this.#introduction = [encodeMessage({ kind: 'cluster-id', clusterId: id })];
  }

  /** `tag` is that of the packet's header, which was let through already. Takes over an id when it is told one. */
  belonging(tag: number, { messages }: Packet): Belonging {
    const said = messages.find((message) => message.kind === 'cluster-id');
    if (said && clusterTag(this.#name, said.clusterId) !== tag) return 'false';
    if (this.#id !== undefined) return said && said.clusterId !== this.#id ? 'other' : 'ours';
    if (!said) return tag === 0 ? 'ours' : 'unnamed';
    this.set(said.clusterId);
    return 'learned';
  }
}
