import { msBetween, type Instant } from '@engram/kernel';
import { incarnationMax, type Address, type Identity, type Member } from './member.js';
import type { MemberRecord } from './member-table.js';
import type { MemberChange } from './messages.js';
import { claimedMetadata } from './metadata.js';
import type { Claim } from './wire.js';

/** The bare claim that somebody is in that state. */
export function claimOf({ id, address, epoch, incarnation }: Pick<Member, 'id' | 'address' | 'epoch' | 'incarnation'>, state: Member['state']): Claim {
  return { kind: 'claim', id, address, epoch, incarnation, state, by: undefined, ageS: 0, metadata: undefined };
}

/** All that we hold of a member, as we tell it to others. `hash` is that of its metadata, when it is known. */
export function claimOfRecord(record: MemberRecord, hash: Uint8Array | undefined, metadataInlineBytesMax: number, now: Instant): Claim {
  const { member, by } = record;
  const isOver = member.state === 'dead' || member.state === 'left';
  return {
    ...claimOf(member, member.state),
    by,
    ageS: isOver ? Math.floor(ageMs(record, now) / 1_000) : 0,
    metadata: member.state === 'alive' ? claimedMetadata(member.metadata, metadataInlineBytesMax, hash) : undefined,
  };
}

/** The least identity that beats this one. */
export function nextIdentity({ epoch, incarnation }: Pick<Identity, 'epoch' | 'incarnation'>): Pick<Identity, 'epoch' | 'incarnation'> {
  return incarnation < incarnationMax ? { epoch, incarnation: incarnation + 1 } : { epoch: epoch + 1, incarnation: 0 };
}

/** An address belongs to an identity: only a higher one may change it. */
export function addressOf(claim: Claim, known: Member): Address {
  return claim.epoch === known.epoch && claim.incarnation === known.incarnation ? known.address : claim.address;
}

/** What it means for the view that a member is here as `after`. */
export function admissionOf(before: Member | undefined, after: Member): MemberChange['kind'] {
  if (after.state === 'left') return 'member-left';
  if (!before || !isReachable(before)) return 'member-joined';
  if (before.epoch !== after.epoch) return 'member-restarted';
  return before.state === 'suspect' ? 'member-recovered' : 'member-updated';
}

export function isReachable({ state }: Pick<Member, 'state'>): boolean {
  return state === 'alive' || state === 'suspect';
}

/** How long it has been in its state, for all we know: what it had been when we heard of it, and since. */
export function ageMs({ since, agedMs }: MemberRecord, now: Instant): number {
  return agedMs + msBetween(since, now);
}
