import { EngramError } from '@engram/kernel';
import { grantedLease, remainingTtl } from './etcd-answer.js';
import type { EtcdClient } from './etcd-client.js';
import { pause } from './pause.js';

/** Renewals that may be lost before the lease runs out. */
const renewalsPerTtl = 3;

/**
 * One key with a lease, kept alive until it is taken back. While etcd is away the key lives on until the lease runs out;
 * once etcd is back a lost lease is granted anew and the key written again.
 */
export class EtcdRegistration {
  readonly #client: EtcdClient;
  readonly #key: string;
  readonly #value: string;
  readonly #ttlMs: number;
  readonly #stopped = new AbortController();
  #lease: string | undefined;
  #renewing: Promise<void> | undefined;
  #trouble: string | undefined;

  /** `key` and `value` in base64, as the gateway takes them. */
  constructor(client: EtcdClient, key: string, value: string, ttlMs: number) {
    this.#client = client;
    this.#key = key;
    this.#value = value;
    this.#ttlMs = ttlMs;
  }

  /** Why the last renewal failed; undefined while all is well. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** Resolves when the key is there; from then on the lease is renewed. */
  async start(signal: AbortSignal): Promise<void> {
    await this.#grantAndPut(signal);
    this.#renewing = this.#renew();
  }

  /** Stops renewing and leaves the key to its lease. */
  async abandon(): Promise<void> {
    this.#stopped.abort();
    await this.#renewing;
  }

  /** Removes the key and the lease with it. */
  async remove(signal: AbortSignal): Promise<void> {
    await this.abandon();
    if (this.#lease === undefined) return;
    try {
      // A revoked lease takes its keys along, and only the keys that are still of this lease.
      await this.#client.call('lease/revoke', { ID: this.#lease }, signal, 'revocation', anything);
    } catch (error) {
      if (!isLeaseGone(error)) throw error;
    }
    this.#lease = undefined;
  }

  async #renew(): Promise<void> {
    const { signal } = this.#stopped;
    while (!signal.aborted) {
      await pause(this.#ttlMs / renewalsPerTtl, signal);
      if (signal.aborted) return;
      try {
        await this.#renewOnce(signal);
        this.#trouble = undefined;
      } catch (error) {
        if (!signal.aborted) this.#trouble = (error as Error).message;
      }
    }
  }

  async #renewOnce(signal: AbortSignal): Promise<void> {
    const ttl = await this.#client.call('lease/keepalive', { ID: this.#lease }, signal, 'renewal', remainingTtl);
    if (ttl === 0) return await this.#grantAndPut(signal);
    // A key that somebody deleted under a living lease comes back as well.
    const put = { request_put: { key: this.#key, value: this.#value, lease: this.#lease } };
    await this.#client.call('kv/txn', { compare: [{ key: this.#key, target: 'VERSION', result: 'EQUAL', version: '0' }], success: [put] }, signal, 'transaction', anything);
  }

  async #grantAndPut(signal: AbortSignal): Promise<void> {
    this.#lease = await this.#client.call('lease/grant', { TTL: String(Math.ceil(this.#ttlMs / 1_000)) }, signal, 'lease', grantedLease);
    await this.#client.call('kv/put', { key: this.#key, value: this.#value, lease: this.#lease }, signal, 'write', anything);
  }
}

/** For calls whose success is all there is to know. */
function anything(answer: unknown): true {
  void answer;
  return true;
}

function isLeaseGone(error: unknown): boolean {
  return error instanceof EngramError && error.details['status'] === 404 && error.message.includes('lease not found');
}
