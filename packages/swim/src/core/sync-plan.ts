import type { NodeId } from '@engram/kernel';
import { bucketCount, compareClaims } from './digest.js';
import type { MemberTable } from './member-table.js';
import type { DigestEntry } from './wire.js';

/** One step of a full sync as the answering side lists it. */
export interface DigestPage {
  readonly buckets: readonly number[];
  readonly entries: readonly DigestEntry[];
  /** Some buckets that differ had no room. */
  readonly more: boolean;
}

/** All members of the buckets that differ from `fingerprints`, whole buckets from `first` on until `entriesMax` is reached. */
export function digestPage(table: MemberTable, fingerprints: readonly number[], first: number, entriesMax: number): DigestPage {
  const buckets: number[] = [];
  const entries: DigestEntry[] = [];
  for (let i = 0; i < bucketCount; i++) {
    const bucket = (first + i) % bucketCount;
    if (table.fingerprints[bucket] === fingerprints[bucket]) continue;
    if (entries.length >= entriesMax) return { buckets, entries, more: true };
    buckets.push(bucket);
    for (const { member: { id, epoch, incarnation, state, metadata } } of table.inBucket(bucket)) entries.push({ id, epoch, incarnation, state, metadataVersion: metadata.version });
  }
  return { buckets, entries, more: false };
}

/** What the asking side then wants to have, and offers. */
export interface Exchange {
  readonly wants: readonly NodeId[];
  readonly offers: readonly NodeId[];
}

/** Everything in which one side is ahead of the other, metadata on its own. `self` is left to the caller. */
export function exchangeFor(table: MemberTable, page: Pick<DigestPage, 'buckets' | 'entries'>, self: NodeId): Exchange {
  const wants: NodeId[] = [];
  const offers: NodeId[] = [];
  const listed = new Set<NodeId>([self]);
  for (const entry of page.entries) {
    if (entry.id === self) continue;
    listed.add(entry.id);
    const held = table.get(entry.id)?.member;
    const order = held ? compareClaims(entry, held) : 'newer';
    const metadataAhead = held && entry.epoch === held.epoch ? entry.metadataVersion - held.metadata.version : 0;
    if (order === 'newer' || metadataAhead > 0) wants.push(entry.id);
    if (order === 'older' || metadataAhead < 0) offers.push(entry.id);
  }
  for (const bucket of page.buckets) {
    for (const { member } of table.inBucket(bucket)) if (!listed.has(member.id)) offers.push(member.id);
  }
  return { wants, offers };
}
