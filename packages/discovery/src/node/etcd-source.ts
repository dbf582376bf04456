import { EngramError, OptionsError } from '@engram/kernel';
import type { DiscoverySource, SelfRegistration, SourceAnswer, SourceCallOptions } from '../source.js';
import { apiAddress } from './api-address.js';
import type { TlsOptions } from './bounded-http.js';
import { endOfPrefix, keysMax, listingOf, registeredValue, watchMessage, type EtcdListing, type Revision, type WatchMessage } from './etcd-answer.js';
import { EtcdClient, type EtcdCredentials } from './etcd-client.js';
import { EtcdRegistration } from './etcd-registration.js';
import { pause } from './pause.js';
import { checkWhole, type SourceTiming } from './source-options.js';

export interface EtcdSourceOptions extends SourceTiming {
  /** Client addresses of members, tried in turn. @default ['127.0.0.1:2379'] */
  readonly endpoints?: readonly string[];
  /** Nodes stand under this prefix followed by their id; one prefix per cluster. @default '/engram/nodes/' */
  readonly prefix?: string;
  /** Where etcd has authentication switched on. */
  readonly credentials?: EtcdCredentials;
  /** Turns addresses without a scheme into https. */
  readonly tls?: TlsOptions;
  /** How long the key of a node that is gone stays, in milliseconds; whole seconds count. @default 30_000 */
  readonly leaseTtlMs?: number;
  /** How often to ask besides the watch, in milliseconds. @default 60_000 */
  readonly refreshMs?: number;
  /** For one look-up, all members together, in milliseconds. @default 5_000 */
  readonly timeoutMs?: number;
}

/** etcd tells its progress every ten minutes; a watch that stays silent for longer is dead. */
const watchSilenceMsMax = 15 * 60_000;
/** Changes that come together, as when a cluster starts, are told together. */
const gatherMs = 50;
/** Compactions in a row, with no message between, after which the watch is left to the back-off of discovery. */
const compactionsMax = 3;

/**
 * Finds peers under a prefix in etcd, followed with a watch, and registers this node there under a lease that is kept
 * alive. Speaks the JSON gateway that every etcd since 3.4 serves on its client port (docs/decisions/0008).
 *
 * Sources: etcd API reference for `Range`, `Watch`, `LeaseGrant`, `LeaseKeepAlive`; "Why gRPC gateway".
 */
export function etcdSource(options: EtcdSourceOptions = {}): DiscoverySource {
  return new EtcdSource(options);
}

class EtcdSource implements DiscoverySource {
  readonly name: string;
  readonly refreshMs: number;
  readonly timeoutMs: number;
  readonly #client: EtcdClient;
  readonly #prefix: string;
  readonly #range: { readonly key: string; readonly range_end: string };
  readonly #leaseTtlMs: number;
  #registration: EtcdRegistration | undefined;

  constructor(options: EtcdSourceOptions) {
    const { endpoints = ['127.0.0.1:2379'], credentials, tls } = options;
    this.name = options.name ?? 'etcd';
    this.refreshMs = options.refreshMs ?? 60_000;
    this.timeoutMs = options.timeoutMs ?? 5_000;
    checkWhole('timeoutMs', this.timeoutMs, 10, 600_000);
    this.#prefix = options.prefix ?? '/engram/nodes/';
    this.#leaseTtlMs = options.leaseTtlMs ?? 30_000;
    if (!Array.isArray(endpoints) || endpoints.length === 0 || endpoints.length > 16) throw new OptionsError('endpoints', 'must name one member at least and 16 at most');
    if (typeof this.#prefix !== 'string' || this.#prefix === '') throw new OptionsError('prefix', 'must be a text that is not empty, or every key of etcd would be taken for a node');
    checkWhole('leaseTtlMs', this.#leaseTtlMs, 1_000, 3_600_000);
    const key = Buffer.from(this.#prefix);
    this.#range = { key: key.toString('base64'), range_end: Buffer.from(endOfPrefix(key)).toString('base64') };
    this.#client = new EtcdClient({
      source: this.name,
      endpoints: endpoints.map((endpoint) => apiAddress('endpoints', endpoint, { scheme: tls === undefined ? 'http' : 'https', port: 2_379 })),
      ...(credentials === undefined ? {} : { credentials }),
      ...(tls === undefined ? {} : { tls }),
      // Members share the time, so one that hangs leaves some for the next.
      timeoutMs: Math.ceil(this.timeoutMs / endpoints.length),
    });
  }

  async lookUp({ signal }: SourceCallOptions): Promise<SourceAnswer> {
    return this.#withTrouble((await this.#list(signal)).answer);
  }

  async watch(emit: (answer: SourceAnswer) => void, { signal }: SourceCallOptions): Promise<void> {
    let compactions = 0;
    while (!signal.aborted) {
      const { answer, revision } = await this.#list(signal);
      emit(this.#withTrouble(answer));
      const ending = await this.#follow(revision, signal);
      if (signal.aborted) return;
      compactions = ending === 'compacted' ? compactions + 1 : 0;
      if (compactions > compactionsMax) throw this.#failure('the history is compacted faster than it can be followed', 'Compact etcd less often.');
      // Listing again takes in all that happened meanwhile, however much it was.
      await pause(gatherMs, signal);
    }
  }

  async register(self: SelfRegistration, { signal }: SourceCallOptions): Promise<void> {
    await this.#registration?.abandon();
    // Kept before it is known to have worked: an answer may get lost, and leaving must take back what etcd heard.
    this.#registration = new EtcdRegistration(this.#client, base64(this.#prefix + self.nodeId), base64(registeredValue(self)), this.#leaseTtlMs);
    await this.#registration.start(signal);
  }

  async deregister({ signal }: SourceCallOptions): Promise<void> {
    await this.#registration?.remove(signal);
    this.#registration = undefined;
  }

  async close(): Promise<void> {
    await this.#registration?.abandon();
    this.#registration = undefined;
  }

  #list(signal: AbortSignal): Promise<EtcdListing> {
    return this.#client.call('kv/range', { ...this.#range, limit: String(keysMax) }, signal, 'range of keys', listingOf);
  }

  /** Resolves when there is reason to list again. Rejects when the watch cannot be had. */
  async #follow(revision: Revision, signal: AbortSignal): Promise<'changed' | 'compacted' | 'closed'> {
    const create = { ...this.#range, start_revision: (BigInt(revision) + 1n).toString(), progress_notify: true };
    try {
      for await (const message of this.#client.stream('watch', { create_request: create }, signal, watchSilenceMsMax, watchMessage)) {
        if (message.kind === 'changed' || message.kind === 'compacted') return message.kind;
        if (message.kind === 'ended') return this.#ended(message);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (!signal.aborted) throw this.#failure('the watch was closed by the server', 'It is opened again by itself; look at the log of etcd when this repeats.');
    return 'closed';
  }

  #ended({ reason }: WatchMessage & { kind: 'ended' }): 'closed' {
    // The token was dropped with this, so the next listing fetches a new one.
    if (this.#client.tokenExpired(reason)) return 'closed';
    throw this.#failure(`the watch was ended by the server: ${reason.slice(0, 200)}`, 'Look at the log of etcd.');
  }

  #withTrouble(answer: SourceAnswer): SourceAnswer {
    const trouble = this.#registration?.trouble;
    return trouble === undefined ? answer : { ...answer, notes: [...(answer.notes ?? []), `the lease of this node could not be renewed: ${trouble}`] };
  }

  #failure(what: string, hint: string): EngramError {
    return new EngramError('discovery_failed', `${this.name}: ${what} (prefix ${this.#prefix})`, { hint, details: { source: this.name } });
  }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
