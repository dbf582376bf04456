import { assert, type Instant, type NodeId } from '@engram/kernel';
import { claimOfRecord } from './claims.js';
import { encodeMessage } from './codec.js';
import type { Member, MembershipView } from './member.js';
import { MemberTable, type MemberRecord } from './member-table.js';
import type { MemberChange } from './messages.js';
import type { SwimContext } from './swim-context.js';
import type { Claim } from './wire.js';

/** The members as the driver sees them: every change has a version and is told; and as others are told of them. */
export class Roster {
  readonly table: MemberTable;
  readonly #context: SwimContext;
  readonly #self: NodeId;
  #ownMetadataHash: Uint8Array | undefined;
  #version = 0;
  #view: MembershipView | undefined;

  constructor(context: SwimContext, self: NodeId) {
    this.#context = context;
    this.#self = self;
    this.table = new MemberTable(self);
  }

  /** The same object until the next change. */
  view(): MembershipView {
    if (this.#view?.version !== this.#version) this.#view = { version: this.#version, members: this.table.members() };
    return this.#view;
  }

  get(id: NodeId): MemberRecord | undefined {
    return this.table.get(id);
  }

  known(id: NodeId): MemberRecord {
    const record = this.table.get(id);
    assert(record, 'only members that are in the table are probed, suspected or written to', { id });
    return record;
  }

  get self(): MemberRecord {
    return this.known(this.#self);
  }

  /** Alive and suspect, ourselves included. */
  get living(): number {
    return this.table.reachable.size + 1;
  }

  put(kind: MemberChange['kind'], record: MemberRecord): void {
    this.table.put(record);
    this.#version++;
    this.#context.emit({ kind, member: record.member, version: this.#version });
  }

  remove(member: Member): void {
    this.table.remove(member.id);
    this.#version++;
    this.#context.emit({ kind: 'member-forgotten', member, version: this.#version });
  }

  /** Computed once, as it goes into every claim about ourselves. */
  setOwnMetadataHash(hash: Uint8Array | undefined): void {
    this.#ownMetadataHash = hash;
  }

  claim(record: MemberRecord, now: Instant): Claim {
    const hash = record.member.id === this.#self ? this.#ownMetadataHash : record.metadataHash;
    return claimOfRecord(record, hash, this.#context.options.metadataInlineBytesMax, now);
  }

  claimBytes(id: NodeId, now: Instant): Uint8Array {
    return encodeMessage(this.claim(this.known(id), now));
  }
}
