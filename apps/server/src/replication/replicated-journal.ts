/** The journal of a node in a cluster: a write is answered once as many copies have it as was asked for. */
import { EngramError } from '@engram/kernel';
import type { Lsn, WriteAheadLog } from '@engram/replication';
import type { Position, ReplicationCore, SessionToken, WriteRefusal } from '@engram/replication/core';
import type { AckLevel, Durability } from '../engine/engine-types.js';
import type { Journal, JournalWrite } from '../engine/journal.js';
import type { ReplicationPerformer } from './replication-performer.js';
import type { Settlement } from './requests.js';

/** The questions that a journal has besides its events. */
export type ReplicationView = Pick<ReplicationCore, 'retainFrom' | 'records'> & {
  /** Why this node may not write a partition now; undefined when it may. @default it may try */
  readonly writeRefusal?: (partition: number) => WriteRefusal | undefined;
};

export interface ReplicatedJournalOptions {
  /** `cluster.replication.ack`. */
  readonly defaultLevel: AckLevel;
  /** How long `close` waits for writes that are under way. @default 1000 */
  readonly closeMs?: number;
}

/** Whether this node has what a token stands for; when not, how far it has come. */
export type Freshness = { readonly fresh: true } | { readonly fresh: false; readonly position: Position };

export class ReplicatedJournal implements Journal {
  readonly defaultLevel: AckLevel;
  readonly isShared = true;
  readonly #performer: ReplicationPerformer;
  readonly #replication: ReplicationView;
  readonly #log: Pick<WriteAheadLog, 'status'>;
  readonly #closeMs: number;
  #first: Lsn;
  #closing: Promise<void> | undefined;
  /** After `close` nothing changes any more, and the state may be closed before the log is cut for the last time. */
  #retained: Promise<number> | undefined;

  constructor(performer: ReplicationPerformer, replication: ReplicationView, log: Pick<WriteAheadLog, 'status'>, options: ReplicatedJournalOptions) {
    this.defaultLevel = options.defaultLevel;
    this.#performer = performer;
    this.#replication = replication;
    this.#log = log;
    this.#closeMs = options.closeMs ?? 1_000;
    this.#first = log.status().firstLsn;
  }

  /** Every level can be reached in a cluster; how many copies there are is the table's to say. */
  checkLevel(): void {}

  checkWritable(partition: number): void {
    const refusal = this.#replication.writeRefusal?.(partition);
    if (refusal) throw this.#refusal(refusal, partition);
  }

  async write(writes: readonly JournalWrite[], level: AckLevel): Promise<Durability> {
    const [{ partition }] = writes as readonly [JournalWrite, ...JournalWrite[]];
    for (const { payload, operation } of writes) this.#performer.remember(payload, operation);
    const entries = writes.map(({ hlc, payload }) => ({ hlc, payload }));
    return this.#durability(await this.#performer.ask((request) => ({ kind: 'append', request, partition, entries, level })), partition);
  }

  async confirm(partition: number, level: AckLevel): Promise<Durability> {
    return this.#durability(await this.#performer.ask((request) => ({ kind: 'confirm', request, partition, level })), partition);
  }

  /** Answers as soon as this node has applied what the token stands for, or after `waitMs` (0: at once). */
  async awaitPosition(token: SessionToken, waitMs: number): Promise<Freshness> {
    const settlement = await this.#performer.ask((request) => ({ kind: 'await-position', request, token, waitMs }));
    return settlement.kind === 'stale' ? { fresh: false, position: settlement.position } : { fresh: true };
  }

  /**
   * The log itself keeps `wal.retain_bytes` for replicas that are behind, and a snapshot serves those that are further;
   * only what no quorum has must never go. What is cut off is in the records from now on and nowhere else.
   */
  retainFrom(): Promise<number> {
    return this.#retained ?? this.#retain();
  }

  trimmed(): void {
    const { firstLsn } = this.#log.status();
    if (firstLsn === this.#first) return;
    this.#first = firstLsn;
    this.#performer.trimmed(firstLsn);
  }

  close(): Promise<void> {
    this.#closing ??= this.#runClose();
    return this.#closing;
  }

  async #runClose(): Promise<void> {
    await this.#performer.requests.emptied(this.#closeMs);
    await this.#performer.close(new EngramError('shutting_down', 'This node is shutting down.'));
    this.#retained = this.#retain();
    // Whoever cuts the log hears of it; nothing is lost by a log that is not cut.
    await this.#retained.catch(() => undefined);
  }

  async #retain(): Promise<number> {
    const { mustKeep } = this.#replication.retainFrom();
    await this.#performer.putRecords(this.#replication.records());
    return mustKeep;
  }

  #durability(settlement: Settlement, partition: number): Durability {
    switch (settlement.kind) {
      case 'acknowledged': {
        const { requested, reached, copies } = settlement.durability;
        return { requested, reached: reached ?? requested, copies, token: settlement.token };
      }
      case 'refused': throw this.#refusal(settlement.refusal, partition);
      default:        throw indeterminate(settlement as Extract<Settlement, { kind: 'indeterminate' }>);
    }
  }

  #refusal(refusal: WriteRefusal, partition: number): EngramError {
    const { lastLogError } = this.#performer;
    switch (refusal.reason) {
      case 'not-primary': {
        const { primary, epoch } = refusal;
        const details = { node: primary, partition, epoch };
        if (primary !== undefined) return new EngramError('not_primary', `Writes of this space go to node ${primary}.`, { details });
        return new EngramError('unavailable', 'No node takes the writes of this space yet.', { hint: 'The cluster is being formed or is choosing one: try again in a moment.', details });
      }
      case 'fenced':
      case 'no-lease':
        return new EngramError('unavailable', `This node takes no writes of this space for now: ${refusal.reason === 'fenced' ? 'another is being made its primary' : 'it has not heard from a majority of the cluster for too long'}.`, {
          hint: 'Try again in a moment, on any node. When it stays so, look whether the nodes reach one another. Reads are still served.',
          details: { reason: refusal.reason, partition, epoch: refusal.epoch },
        });
      case 'overloaded':
        return new EngramError('overloaded', 'More writes wait for the log or for copies than this node accepts.', { details: { partition } });
      case 'log':
        if (lastLogError?.message === refusal.message) return new EngramError(lastLogError.code, lastLogError.message, { hint: lastLogError.hint, details: lastLogError.details, cause: lastLogError });
        return new EngramError('log_failed', `This node takes no more writes: ${refusal.message}.`);
    }
  }
}

function indeterminate({ reason, durability }: Extract<Settlement, { kind: 'indeterminate' }>): EngramError {
  const details = { indeterminate: true, reason, ...durability };
  const hint = 'Repeat the request with the same Idempotency-Key, or the same id: it is stored once, and the answer says how safe it is.';
  const had = `${durability.copies} ${durability.copies === 1 ? 'copy has' : 'copies have'} it`;
  switch (reason) {
    case 'timeout':
      return new EngramError('deadline_exceeded', `The write has not reached ack=${durability.requested} in time; so far ${had}. It may still become durable.`, { hint, details });
    case 'deposed':
      return new EngramError('unavailable', `Another node became the primary before the write reached ack=${durability.requested}; ${had}. It may still become durable.`, { hint, details });
    case 'log-failed':
      return new EngramError('log_failed', 'The log failed while the write was on its way; it may be found after a restart.', { hint, details });
  }
}
