import { OptionsError, type NodeId } from '@engram/kernel';
import { Client, credentials } from '@grpc/grpc-js';

export interface PeerChannelsOptions {
  /** `host:port` of the gRPC port of a node; undefined when it is not known. */
  readonly addressOf: (node: NodeId) => string | undefined;
  /** Connections to each peer, at most. */
  readonly poolSize: number;
  /** Largest message either way, in bytes. */
  readonly maxMessageBytes: number;
  /** How often a connection in use is asked whether its other end lives, in milliseconds. @default 500 */
  readonly keepaliveMs?: number;
  /** How long it may take to answer, in milliseconds. Together they bound how long a dead peer goes unnoticed. @default 1400 */
  readonly keepaliveTimeoutMs?: number;
}

/**
 * What a connection is used for. Control messages keep leases alive and must not queue behind a copy of a partition, nor
 * forwarded requests behind either: each has a connection of its own as far as the size of the pool allows.
 */
export type Lane = 'control' | 'replication' | 'forward';

/** A client that is in use by one call until it is released. */
export interface ChannelLease {
  readonly client: Client;
  readonly address: string;
  /** The call is over. After a call that never got through, the connection is made anew instead of being waited for. */
  release(outcome: 'done' | 'not-connected'): void;
}

/** What this machine does not limit, a slow start of large frames would. */
const flowControlWindowBytes = 1024 * 1024;

interface Slot {
  readonly client: Client;
  readonly address: string;
  calls: number;
  /** No longer handed out; closed with its last call. */
  retired: boolean;
}

/** The gRPC connections to other nodes: made when needed, a few for each node, dropped when a node has another address. */
export class PeerChannels {
  readonly #options: PeerChannelsOptions;
  readonly #slots = new Map<NodeId, Map<number, Slot>>();
  #forwards = 0;
  #closed = false;

  constructor(options: PeerChannelsOptions) {
    if (!Number.isSafeInteger(options.poolSize) || options.poolSize < 1) throw new OptionsError('poolSize', 'must be a positive whole number');
    this.#options = options;
  }

  /** A client of this node; undefined when its address is not known. Connects when the first call is made. */
  acquire(node: NodeId, lane: Lane): ChannelLease | undefined {
    const address = this.#options.addressOf(node);
    if (this.#closed || address === undefined) return undefined;
    const slots = this.#slots.get(node) ?? new Map<number, Slot>();
    this.#slots.set(node, slots);
    const index = this.#index(lane);
    let slot = slots.get(index);
    if (slot !== undefined && slot.address !== address) {
      this.#retire(slots, index, slot);
      slot = undefined;
    }
    if (slot === undefined) {
      slot = { client: this.#connect(address), address, calls: 0, retired: false };
      slots.set(index, slot);
    }
    return this.#lease(slots, index, slot);
  }

  /** Largest message either way, in bytes. */
  get maxMessageBytes(): number {
    return this.#options.maxMessageBytes;
  }

  /** Where a node is reached; undefined when that is not known. */
  addressOf(node: NodeId): string | undefined {
    return this.#options.addressOf(node);
  }

  /** How many connections there are or are being made. */
  get size(): number {
    let size = 0;
    for (const slots of this.#slots.values()) size += slots.size;
    return size;
  }

  /** Hands out no more what leads to where a node no longer is; closes what of it nobody uses. */
  tidy(): void {
    for (const [node, slots] of this.#slots) {
      const address = this.#options.addressOf(node);
      for (const [index, slot] of [...slots]) if (slot.address !== address) this.#retire(slots, index, slot);
      if (slots.size === 0) this.#slots.delete(node);
    }
  }

  close(): void {
    this.#closed = true;
    for (const slots of this.#slots.values()) for (const slot of slots.values()) slot.client.close();
    this.#slots.clear();
  }

  #lease(slots: Map<number, Slot>, index: number, slot: Slot): ChannelLease {
    slot.calls += 1;
    let released = false;
    return {
      client: slot.client,
      address: slot.address,
      release: (outcome) => {
        if (released) return;
        released = true;
        slot.calls -= 1;
        if (slot.calls > 0) return;
        if (slot.retired) slot.client.close();
        else if (outcome === 'not-connected') this.#retire(slots, index, slot);
      },
    };
  }

  #retire(slots: Map<number, Slot>, index: number, slot: Slot): void {
    slot.retired = true;
    if (slots.get(index) === slot) slots.delete(index);
    if (slot.calls === 0) slot.client.close();
  }

  #index(lane: Lane): number {
    const { poolSize } = this.#options;
    switch (lane) {
      case 'control':
        return 0;
      case 'replication':
        return 1 % poolSize;
      case 'forward':
        return (2 + (this.#forwards++ % Math.max(1, poolSize - 2))) % poolSize;
    }
  }

  #connect(address: string): Client {
    const { maxMessageBytes, keepaliveMs = 500, keepaliveTimeoutMs = 1_400 } = this.#options;
    return new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': maxMessageBytes,
      'grpc.max_send_message_length': maxMessageBytes,
      'grpc.keepalive_time_ms': keepaliveMs,
      'grpc.keepalive_timeout_ms': keepaliveTimeoutMs,
      // Clients of one process share connections unless told otherwise, and a pool of them would be one connection.
      'grpc.use_local_subchannel_pool': 1,
      // A proxy that the environment names is for the way out, not for the way to the next node.
      'grpc.enable_http_proxy': 0,
      // Retries are decided by who knows what a call means; here they would only hold copies of what was sent.
      'grpc.enable_retries': 0,
      'grpc.initial_reconnect_backoff_ms': 50,
      'grpc.max_reconnect_backoff_ms': 250,
      'grpc.dns_min_time_between_resolutions_ms': 1_000,
      'grpc.enable_channelz': 0,
      'grpc-node.flow_control_window': flowControlWindowBytes,
    });
  }
}
