import type { Clock } from '../driver.js';
import type { Random } from '../random.js';

/** Where packets go: `host:port`, compared as text. The simulator never parses it. */
export type Address = string;

/**
 * What one life of a simulated node may touch: everything a process gets from its machine, and nothing else. A node that
 * is killed and started again gets a new one; using the old one is an `assertion_failed`, because code of a dead process
 * would be running.
 */
export interface SimEnv {
  /** The name of the node in the world. Not an identity of the protocol: two nodes may claim the same one. */
  readonly id: string;
  /** The address that datagrams leave from and that peers reach the node at. Follows the node when it is moved. */
  readonly address: Address;
  /** 1 in the first life of the node, 2 after its first restart. */
  readonly life: number;
  /** Monotonic, starts at 0 in every life, may drift against the world, never jumps. Hand it to a `Driver`. */
  readonly clock: Clock;
  /** Whole milliseconds since 1970 as this machine believes: skewed, drifting, jumping as the faults have it. */
  wallClockMs(): number;
  /** A stream of this node in this life; nothing drawn elsewhere shifts it. */
  readonly random: Random;
  readonly datagrams: SimDatagrams;
  readonly streams: SimStreams;
  readonly storage: SimStorage;
  /** Notes what happened, for checkers (`world.onTrace`) and the transcript. It is part of the trace hash. */
  trace(what: string, ...details: readonly (string | number)[]): void;
  /** Ends the process from within, in the middle of whatever it is doing, as `process.exit` or a crash would. */
  exit(reason: string): never;
}

/** What the world knows of an object that `boot` hands back. It keeps it as `node.process`, for tests and checkers to look into. */
export interface SimProcess {
  /** The process is asked to go in an orderly way, as by SIGTERM (`node.stop()`). It is up to it to call `env.exit`. */
  stop?(): void;
}

/** Unreliable packets of bytes: lost, doubled, reordered, corrupted and delayed as the link has it. */
export interface SimDatagrams {
  /** Copies the bytes and hands them to the network; tells nothing about their fate. */
  send(to: Address, bytes: Uint8Array): void;
  /** Replaces the handler. Until there is one, what arrives is dropped as `not-listening`. */
  onReceive(handler: (from: Address, bytes: Uint8Array) => void): void;
}

/** Why a stream is over, as far as this end can tell. */
export type StreamClosed =
  /** Both ends finished writing and everything was delivered. */
  | 'ended'
  /** Nobody listens there, or the link refuses. */
  | 'refused'
  /** The other end, or something between, cut it; what was written last may or may not have arrived. */
  | 'reset'
  /** Nothing got through for the link's `streamTimeoutMs`. */
  | 'timeout'
  /** This end called `reset`. */
  | 'aborted';

/** What one end of a stream is told. After `onClosed` nothing more. */
export interface StreamHandlers {
  /** The connection stands. Only the connecting end is told. */
  onOpen?(): void;
  /** Bytes in the order written; how they were cut into writes is kept, but do not count on it. */
  onData?(bytes: Uint8Array): void;
  /** The other end will write no more. */
  onEnd?(): void;
  /** There is room again after a `write` that returned false. */
  onDrain?(): void;
  /** Last call, exactly once. */
  onClosed?(why: StreamClosed): void;
}

/** One end of a connection. Framing is up to its user. */
export interface SimStream {
  readonly id: number;
  readonly peer: Address;
  readonly open: boolean;
  /** Written here and not yet handed to the other end. Bounded by the link's `streamBufferBytesMax`. */
  readonly unreadBytes: number;
  /** Takes all of the bytes or, when they do not fit the buffer or the stream is over, none and returns false. */
  write(bytes: Uint8Array): boolean;
  /** No more writes from here; what was written still arrives. */
  end(): void;
  /** Cuts the connection; what has not arrived is lost. */
  reset(): void;
}

/** Connections to other nodes, and from them. */
export interface SimStreams {
  /** Starts connecting; writes may follow at once and wait for the connection. */
  connect(to: Address, handlers: StreamHandlers): SimStream;
  /** Replaces the handler; it is called for every connection and returns what shall hear of it. */
  onAccept(handler: (stream: SimStream, from: Address) => StreamHandlers): void;
}

/**
 * A small map of keys to bytes on the node's machine. A write can be read back at once and survives the death of the
 * process; a loss of power keeps what was there at the last `sync` and, for each key written since, perhaps the new value.
 */
export interface SimStorage {
  /** A copy of what was set last; undefined when there is nothing. */
  get(key: string): Uint8Array | undefined;
  /** Copies the bytes. Throws `disk_full` beyond `storageBytesMax` of the node; then nothing has changed. */
  set(key: string, bytes: Uint8Array): void;
  /** Nothing happens when there is no such key. */
  delete(key: string): void;
  /** In the order of their code units. */
  keys(): readonly string[];
  /** What was written so far survives a loss of power. */
  sync(): void;
}
