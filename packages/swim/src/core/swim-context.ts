import type { Random } from '@engram/kernel';
import { LocalHealth } from './local-health.js';
import type { Address } from './member.js';
import type { RefusalCode, Rejection, RequestId, SwimEffect } from './messages.js';
import type { ResolvedSwimOptions } from './options.js';
import { newStats, type SwimCounters } from './stats.js';

/** `idle` before the first join. `superseded` is for good. */
export type Phase = 'idle' | 'joined' | 'leaving' | 'left' | 'superseded';

/** What all parts of one core share: its options, its luck, its phase, its own slowness, and where effects go. */
export class SwimContext {
  readonly options: ResolvedSwimOptions;
  readonly random: Random;
  readonly health: LocalHealth;
  readonly stats: SwimCounters = newStats();
  phase: Phase = 'idle';
  #effects: SwimEffect[] = [];

  constructor(options: ResolvedSwimOptions, random: Random) {
    this.options = options;
    this.random = random;
    this.health = new LocalHealth(options.healthScoreMax);
  }

  /** Whether we hear others and others hear us. */
  get isTakingPart(): boolean {
    return this.phase === 'joined' || this.phase === 'leaving';
  }

  emit(effect: SwimEffect): void {
    this.#effects.push(effect);
  }

  /** Those since it was last asked. */
  takeEffects(): readonly SwimEffect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  feel(by: number): void {
    if (this.health.adjust(by)) this.emit({ kind: 'health-changed', score: this.health.score });
  }

  complete(request: RequestId): void {
    this.emit({ kind: 'request-completed', request });
  }

  refuse(request: RequestId, code: RefusalCode, message: string): void {
    this.emit({ kind: 'request-refused', request, code, message });
  }

  /** Input was dropped whole. */
  reject(reason: Rejection, from: Address): void {
    this.count(reason);
    this.emit({ kind: 'rejected', reason, from });
  }

  /** A part of it was, or an answer to it. */
  count(reason: Rejection): void {
    this.stats.rejected[reason]++;
    this.stats.rejectedTotal++;
  }
}
