import { plusMs, type NodeId } from '@engram/kernel';
import type { SimEnv, SimStream, StreamHandlers } from '@engram/kernel/sim';
import type { ReplicationEvent } from '@engram/replication/core';

interface Open {
  readonly stream: SimStream;
  readonly queue: Uint8Array[];
  queuedBytes: number;
}

/** Streams of length-prefixed messages, as a driver of replication keeps them. */
export class SimStreams {
  readonly #env: SimEnv;
  readonly #dispatch: (event: ReplicationEvent) => void;
  readonly #open = new Map<number, Open>();
  #next = 1;

  constructor(env: SimEnv, dispatch: (event: ReplicationEvent) => void) {
    this.#env = env;
    this.#dispatch = dispatch;
    env.streams.onAccept((stream) => {
      const id = this.#adopt(stream);
      dispatch({ kind: 'stream-accepted', stream: id });
      return this.#handlers(() => id);
    });
  }

  get queuedBytes(): number {
    return [...this.#open.values()].reduce((sum, { queuedBytes }) => sum + queuedBytes, 0);
  }

  connect(peer: NodeId): void {
    let id = 0;
    id = this.#adopt(this.#env.streams.connect(`${peer}:7946`, this.#handlers(() => id, peer)));
  }

  send(id: number, message: Uint8Array): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    const frame = new Uint8Array(4 + message.length);
    new DataView(frame.buffer).setUint32(0, message.length);
    frame.set(message, 4);
    open.queue.push(frame);
    open.queuedBytes += frame.length;
    this.#drain(id);
  }

  close(id: number): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    open?.stream.end();
    this.#env.clock.schedule(plusMs(this.#env.clock.now(), 50), () => open?.stream.open === true && open.stream.reset());
  }

  #adopt(stream: SimStream): number {
    const id = this.#next++;
    this.#open.set(id, { stream, queue: [], queuedBytes: 0 });
    return id;
  }

  #handlers(id: () => number, dialled?: NodeId): StreamHandlers {
    let opened = dialled === undefined;
    let pending = new Uint8Array(0);
    return {
      onOpen: () => {
        opened = true;
        this.#dispatch({ kind: 'stream-opened', peer: dialled as NodeId, stream: id() });
      },
      onData: (bytes) => {
        const whole = new Uint8Array(pending.length + bytes.length);
        whole.set(pending);
        whole.set(bytes, pending.length);
        const view = new DataView(whole.buffer);
        let at = 0;
        while (at + 4 <= whole.length && at + 4 + view.getUint32(at) <= whole.length) {
          const end = at + 4 + view.getUint32(at);
          this.#dispatch({ kind: 'stream-received', stream: id(), bytes: whole.slice(at + 4, end) });
          at = end;
        }
        pending = whole.slice(at);
      },
      onDrain: () => this.#drain(id()),
      onEnd: () => this.#open.get(id())?.stream.end(),
      onClosed: () => {
        this.#open.delete(id());
        this.#dispatch({ kind: 'stream-closed', stream: id() });
        if (dialled !== undefined && !opened) this.#dispatch({ kind: 'stream-failed', peer: dialled });
      },
    };
  }

  #drain(id: number): void {
    const open = this.#open.get(id);
    while (open !== undefined && open.queue.length > 0 && open.stream.write(open.queue[0] as Uint8Array)) open.queuedBytes -= (open.queue.shift() as Uint8Array).length;
  }
}
