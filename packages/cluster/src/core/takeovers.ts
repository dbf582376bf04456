import { plusMs, unreachable, wake, type Instant, type NodeId } from '@engram/kernel';
import { Promotion, type ClusterMap, type CopyProgress, type LeaseReply, type LeaseRequest, type MapContent, type PartitionPlacement, type PromotionEffect, type Voter } from '@engram/placement/core';
import type { Position } from '@engram/replication/core';

/** What takeovers ask of the node around them. */
export interface TakeoverPorts {
  inquire(to: Voter, request: LeaseRequest, now: Instant): void;
  /** Answered by `fenced`. */
  fence(copy: NodeId, partition: number, epoch: number, now: Instant): void;
  /** Tells `then` the map in force afterwards. */
  change(expectedEpoch: number, content: MapContent, then: (made: boolean, map: ClusterMap, now: Instant) => void, now: Instant): void;
  isSettled(deposed: NonNullable<PartitionPlacement['deposed']>, now: Instant): boolean;
  notice(level: 'info' | 'warn', what: string, details: Readonly<Record<string, string | number>>): void;
}

/** What one copy was asked to promise, by partition, and what it has said. */
interface Seal {
  readonly epochs: ReadonlyMap<number, number>;
  readonly progress: Map<number, CopyProgress>;
}

interface Takeover {
  readonly promotion: Promotion;
  /** Of the present round. */
  readonly seals: Map<NodeId, Seal>;
  /** When those that have answered nothing are asked again: the first question may have found no connection. */
  askAgainAt: Instant | undefined;
  sealedAt: Instant;
}

/** When copies that have answered nothing are asked again, after the seal. Not more often: each question may cost them a write. */
const askAgainMs = [40, 150] as const;
/** How long copies may take to promise. */
const sealMs = 300;
const sealMsEach = 2;
/** How long after a takeover that did not get through, or not for all, another is begun. */
const retryMs = 500;

/** Promotions under way, one for each node that is gone. */
export class Takeovers {
  readonly #ports: TakeoverPorts;
  readonly #underWay = new Map<NodeId, Takeover>();
  readonly #notBefore = new Map<NodeId, Instant>();
  /** Of each node that is gone, how many partitions were last said to wait; undefined before the first round has ended. */
  readonly #said = new Map<NodeId, number | undefined>();

  constructor(ports: TakeoverPorts) {
    this.#ports = ports;
  }

  get held(): number {
    return Math.max(this.#underWay.size, this.#notBefore.size, this.#said.size);
  }

  get nextWake(): Instant | undefined {
    let next: Instant | undefined;
    for (const { promotion, askAgainAt } of this.#underWay.values()) {
      for (const at of [promotion.nextWake(), askAgainAt]) if (at !== undefined && (next === undefined || at < next)) next = at;
    }
    return next;
  }

  /** Takes over from each of these that are primary of something and gone, unless it is under way or was tried a moment ago. */
  seek(gone: readonly NodeId[], map: ClusterMap, now: Instant): void {
    // Whoever is back, or leads nothing any more, is news again when it goes the next time.
    for (const node of this.#said.keys()) if (!gone.includes(node)) this.#said.delete(node);
    for (const node of gone) this.#begin(node, map, now);
  }

  /** Nobody has to take over from who is primary of nothing. */
  learned({ table }: ClusterMap): void {
    if (this.#underWay.size === 0) return;
    const primaries = new Set(table.map(({ primary }) => primary));
    for (const [node, { promotion }] of this.#underWay) if (!primaries.has(node) && promotion.phase !== 'changing') this.#underWay.delete(node);
  }

  leaseAnswered(from: Voter, reply: LeaseReply, now: Instant): void {
    for (const [node, { promotion }] of this.#underWay) this.#perform(node, promotion.handle({ kind: 'lease-answered', from, reply }, now), now);
  }

  /** Told in one go when a copy has answered for all its partitions, so that many partitions cost no more than their number. */
  fenced(partition: number, epoch: number, copy: NodeId, position: Position, now: Instant): void {
    for (const [node, { promotion, seals }] of this.#underWay) {
      const seal = seals.get(copy);
      if (seal?.epochs.get(partition) !== epoch) continue;
      seal.progress.set(partition, { partition, epoch: position.epoch, seq: position.seq });
      if (seal.progress.size === seal.epochs.size) this.#perform(node, promotion.handle({ kind: 'sealed', from: copy, progress: [...seal.progress.values()] }, now), now);
    }
  }

  wake(now: Instant): void {
    for (const [node, takeover] of this.#underWay) {
      const { promotion, seals } = takeover;
      if ((takeover.askAgainAt ?? Infinity) <= now) this.#askAgain(takeover, now);
      if ((promotion.nextWake() ?? Infinity) > now) continue;
      // Time is up for those that have not answered for all; what they did answer counts.
      for (const [copy, { epochs, progress }] of seals) {
        if (progress.size > 0 && progress.size < epochs.size) this.#perform(node, promotion.handle({ kind: 'sealed', from: copy, progress: [...progress.values()] }, now), now);
      }
      this.#perform(node, promotion.handle(wake, now), now);
    }
  }

  #begin(node: NodeId, map: ClusterMap, now: Instant): void {
    if (this.#underWay.has(node) || now < (this.#notBefore.get(node) ?? 0)) return;
    for (const [other, at] of this.#notBefore) if (at <= now) this.#notBefore.delete(other);
    // A promise is a write for each partition; those that are cut short wait for another round.
    const sealTimeoutMs = sealMs + map.table.filter(({ primary }) => primary === node).length * sealMsEach;
    const promotion = new Promotion(node, map, { sealTimeoutMs }, (deposed) => this.#ports.isSettled(deposed, now));
    this.#underWay.set(node, { promotion, seals: new Map(), askAgainAt: undefined, sealedAt: now });
    if (!this.#said.has(node)) {
      this.#said.set(node, undefined);
      this.#ports.notice('info', 'taking over from a node that is gone', { node });
    }
    this.#perform(node, promotion.handle({ kind: 'started' }, now), now);
  }

  #perform(node: NodeId, effects: readonly PromotionEffect[], now: Instant): void {
    // Seals come together; those of an earlier round are void, because its epochs may have been used up since.
    if (effects.some(({ kind }) => kind === 'seal')) this.#underWay.get(node)?.seals.clear();
    for (const effect of effects) {
      switch (effect.kind) {
        case 'inquire':  this.#ports.inquire(effect.to, effect.request, now); break;
        case 'seal':     this.#seal(node, effect.to, effect.partitions, now); break;
        case 'change':   this.#change(node, effect.expectedEpoch, effect.content, now); break;
        case 'ended':    this.#ended(node, effect, now); break;
        case 'given-up': this.#over(node, now); break;
        default:         unreachable(effect);
      }
    }
  }

  #askAgain(takeover: Takeover, now: Instant): void {
    const next = askAgainMs.map((ms) => plusMs(takeover.sealedAt, ms)).find((at) => at > now);
    takeover.askAgainAt = takeover.promotion.phase === 'sealing' ? next : undefined;
    if (takeover.promotion.phase !== 'sealing') return;
    for (const [copy, { epochs, progress }] of takeover.seals) {
      if (progress.size === 0) for (const [partition, epoch] of epochs) this.#ports.fence(copy, partition, epoch, now);
    }
  }

  #seal(node: NodeId, copy: NodeId, partitions: readonly { readonly partition: number; readonly epoch: number }[], now: Instant): void {
    const takeover = this.#underWay.get(node);
    takeover?.seals.set(copy, { epochs: new Map(partitions.map(({ partition, epoch }) => [partition, epoch])), progress: new Map() });
    if (takeover) {
      takeover.sealedAt = now;
      takeover.askAgainAt = plusMs(now, askAgainMs[0]);
    }
    for (const { partition, epoch } of partitions) this.#ports.fence(copy, partition, epoch, now);
  }

  #change(node: NodeId, expectedEpoch: number, content: MapContent, now: Instant): void {
    this.#ports.change(expectedEpoch, content, (made, map, at) => {
      const promotion = this.#underWay.get(node)?.promotion;
      if (promotion) this.#perform(node, promotion.handle({ kind: made ? 'changed' : 'change-refused', map }, at), at);
    }, now);
  }

  #ended(node: NodeId, { promoted, provisional, waiting }: Extract<PromotionEffect, { kind: 'ended' }>, now: Instant): void {
    this.#over(node, now);
    // While partitions wait, rounds go on and on; one that changed nothing is not worth another line.
    if (promoted.length === 0 && provisional.length === 0 && this.#said.get(node) === waiting.length) return;
    this.#said.set(node, waiting.length);
    this.#ports.notice(waiting.length > 0 ? 'warn' : 'info', 'took over from a node that is gone', { node, promoted: promoted.length, provisional: provisional.length, waiting: waiting.length });
  }

  #over(node: NodeId, now: Instant): void {
    this.#underWay.delete(node);
    this.#notBefore.set(node, plusMs(now, retryMs));
  }
}
