import type { Instant, NodeId } from '@engram/kernel';
import { bucketCount, bucketOf, fingerprintOf } from './digest.js';
import { IndexedSet } from './indexed-set.js';
import type { Member, MemberState } from './member.js';

/** A member and what only this node knows about it. */
export interface MemberRecord {
  readonly member: Member;
  /** Who suspects it or declared it dead. */
  readonly by: NodeId | undefined;
  /** When we learnt that it is in its state, and how long it had been in it by then. */
  readonly since: Instant;
  readonly agedMs: number;
  /** Of metadata that is still to be pulled. */
  readonly metadataHash: Uint8Array | undefined;
}

/**
 * Every member this node knows, in all states, itself included, with the indexes that keep each step of the protocol
 * from walking over all of them.
 */
export class MemberTable {
  readonly #self: NodeId;
  readonly #records = new Map<NodeId, MemberRecord>();
  readonly #buckets: Set<NodeId>[] = Array.from({ length: bucketCount }, () => new Set());
  readonly #fingerprints = new Array<number>(bucketCount).fill(0);
  #fingerprint = 0;
  readonly #reachable = new IndexedSet<NodeId>();
  readonly #dead = new IndexedSet<NodeId>();
  /** Members that never answered us, those known longest first. */
  readonly #unproven = new Set<NodeId>();
  /** Members dead and left, in the order in which we learnt it. */
  readonly #tombstones = new Set<NodeId>();
  readonly #counts: Record<MemberState, number> = { alive: 0, suspect: 0, dead: 0, left: 0 };

  constructor(self: NodeId) {
    this.#self = self;
  }

  get size(): number { return this.#records.size; }
  /** Others that are alive or suspect. */
  get reachable(): IndexedSet<NodeId> { return this.#reachable; }
  get dead(): IndexedSet<NodeId> { return this.#dead; }
  get tombstones(): ReadonlySet<NodeId> { return this.#tombstones; }
  /** Others by state. */
  get counts(): Readonly<Record<MemberState, number>> { return this.#counts; }
  get fingerprints(): readonly number[] { return this.#fingerprints; }
  /** Of everything held. */
  get fingerprint(): number { return this.#fingerprint; }

  get(id: NodeId): MemberRecord | undefined {
    return this.#records.get(id);
  }

  put(record: MemberRecord): void {
    const { member } = record;
    const before = this.#records.get(member.id);
    const bucket = bucketOf(member.id);
    this.#records.set(member.id, record);
    (this.#buckets[bucket] as Set<NodeId>).add(member.id);
    this.#mix(bucket, fingerprintOf(member) ^ (before ? fingerprintOf(before.member) : 0));
    if (member.id === this.#self) return;
    if (!before) this.#unproven.add(member.id);
    if (before?.member.state === member.state) return;
    if (before) this.#counts[before.member.state]--;
    this.#counts[member.state]++;
    this.#index(member.id, member.state);
  }

  remove(id: NodeId): void {
    const record = this.#records.get(id);
    if (!record) return;
    const bucket = bucketOf(id);
    this.#records.delete(id);
    (this.#buckets[bucket] as Set<NodeId>).delete(id);
    this.#mix(bucket, fingerprintOf(record.member));
    this.#counts[record.member.state]--;
    this.#unproven.delete(id);
    this.#index(id, undefined);
  }

  /** It answered a question that only whoever is at its address could read. */
  prove(id: NodeId): void {
    this.#unproven.delete(id);
  }

  isProven(id: NodeId): boolean {
    return this.#records.has(id) && !this.#unproven.has(id);
  }

  /** Whom to forget for a newcomer: who never answered, else the oldest tombstone. Never one that is known to be real and here. */
  evictable(): NodeId | undefined {
    for (const id of this.#unproven) return id;
    for (const id of this.#tombstones) return id;
    return undefined;
  }

  inBucket(bucket: number): readonly MemberRecord[] {
    return [...(this.#buckets[bucket] ?? [])].map((id) => this.#records.get(id) as MemberRecord);
  }

  members(): readonly Member[] {
    return Array.from(this.#records.values(), (record) => record.member);
  }

  #mix(bucket: number, difference: number): void {
    this.#fingerprints[bucket] = ((this.#fingerprints[bucket] as number) ^ difference) >>> 0;
    this.#fingerprint = (this.#fingerprint ^ difference) >>> 0;
  }

  #index(id: NodeId, state: MemberState | undefined): void {
    if (state === 'alive' || state === 'suspect') this.#reachable.add(id);
    else this.#reachable.delete(id);
    if (state === 'dead') this.#dead.add(id);
    else this.#dead.delete(id);
    this.#tombstones.delete(id);
    if (state === 'dead' || state === 'left') this.#tombstones.add(id);
  }
}
