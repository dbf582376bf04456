/** Runs the core that decides which cluster this node belongs to: its messages by SWIM, its promises in a file. */
import { decodeFormationMessage, encodeFormationMessage, FormationCore, type FormationEffect, type FormationEvent, type FormationOptions, type FormationStatus, type FormingPeer, type JoinedHow } from '@engram/cluster';
import { Driver, EngramError, type ClusterId, type NodeId, type Random } from '@engram/kernel';
import { systemClock } from '@engram/kernel/node';
import type { ClusterFile } from './cluster-file.js';

export interface FormationPorts {
  readonly file: ClusterFile;
  /** May fail: whatever is not answered is asked again. */
  readonly send: (to: NodeId, bytes: Uint8Array) => Promise<void>;
  /** The node belongs to it from here on, and the file says so. */
  readonly onJoined: (clusterId: ClusterId, how: JoinedHow, founded: boolean) => void;
}

export interface Initialized {
  readonly clusterId: ClusterId;
  /** False when the node belonged to a cluster already. */
  readonly created: boolean;
}

interface Waiting {
  readonly resolve: (initialized: Initialized) => void;
  readonly reject: (error: EngramError) => void;
}

export class Formation {
  readonly #core: FormationCore;
  readonly #driver: Driver<FormationEvent, FormationEffect>;
  readonly #ports: FormationPorts;
  readonly #requests = new Map<number, Waiting>();
  #nextRequest = 1;

  constructor(ports: FormationPorts, random: Random, options: FormationOptions) {
    this.#ports = ports;
    this.#core = new FormationCore(random.fork('formation'), options);
    this.#driver = new Driver(this.#core, systemClock, (effect) => this.#perform(effect));
  }

  /** Whether this node drew the id of the cluster it belongs to. */
  get founded(): boolean {
    return this.#core.founded;
  }

  status(): FormationStatus {
    return this.#core.status();
  }

  /** Others that are alive, without this node. */
  peers(peers: readonly FormingPeer[]): void {
    this.#driver.dispatch({ kind: 'peers', peers });
  }

  learned(clusterId: ClusterId): void {
    this.#driver.dispatch({ kind: 'cluster-id-learned', clusterId });
  }

  /** Whether the bytes were a message of formation. */
  received(from: NodeId, bytes: Uint8Array): boolean {
    const message = decodeFormationMessage(bytes);
    if (message) this.#driver.dispatch({ kind: 'message-received', from, message });
    return message !== undefined;
  }

  /** Forms a cluster with this node as its first. Rejects with `not_ready` while nodes are agreeing on one. */
  initialize(): Promise<Initialized> {
    return new Promise((resolve, reject) => {
      const request = this.#nextRequest++;
      this.#requests.set(request, { resolve, reject });
      this.#driver.dispatch({ kind: 'initialize', request });
    });
  }

  stop(): void {
    this.#driver.stop();
    for (const { reject } of this.#requests.values()) reject(new EngramError('shutting_down', 'the node is shutting down'));
    this.#requests.clear();
  }

  #perform(effect: FormationEffect): void {
    switch (effect.kind) {
      case 'persist':
        this.#ports.file.write(effect.record).then(
          () => this.#driver.dispatch({ kind: 'persisted' }),
          (error: Error) => this.#driver.dispatch({ kind: 'persist-failed', reason: error.message }),
        );
        return;
      case 'send':
        return void this.#ports.send(effect.to, encodeFormationMessage(effect.message)).catch(() => undefined);
      case 'joined':
        return this.#ports.onJoined(effect.clusterId, effect.how, effect.founded);
      case 'request-completed':
        return this.#take(effect.request)?.resolve({ clusterId: effect.clusterId, created: effect.created });
      case 'request-refused':
        return this.#take(effect.request)?.reject(new EngramError('not_ready', `No cluster was formed: ${effect.reason}.`, { hint: effect.hint }));
    }
  }

  #take(request: number): Waiting | undefined {
    const waiting = this.#requests.get(request);
    this.#requests.delete(request);
    return waiting;
  }
}
