import type { FaultAction, LifeEvent } from '@engram/kernel/sim';

/** A stretch of a bar on the timeline. */
export interface Span {
  readonly fromMs: number;
  readonly toMs: number;
  readonly label: string;
}

export type LifeState = 'alive' | 'paused' | 'dead';

export interface LifeSpan extends Span {
  readonly state: LifeState;
}

/** From the beginning to the end without gaps. Dead is also who was not started yet. */
export function lifeSpans(node: string, lives: readonly LifeEvent[], endMs: number): readonly LifeSpan[] {
  const spans: LifeSpan[] = [];
  let state: LifeState = 'dead';
  let fromMs = 0;
  const close = (toMs: number): void => {
    if (toMs > fromMs) spans.push({ state, fromMs, toMs, label: `${node} ${state}` });
    fromMs = toMs;
  };
  for (const { atMs, what } of lives.filter((event) => event.node === node)) {
    const next = ({ boot: 'alive', death: 'dead', pause: 'paused', resume: 'alive' } as const)[what];
    if (next === state) continue;
    close(atMs);
    state = next;
  }
  close(endMs);
  return spans;
}

/** What was wrong with the network and until when: cuts in red, disturbances in amber. */
export interface NetworkSpan extends Span {
  readonly kind: 'partition' | 'block' | 'disturb';
}

export function networkSpans(schedule: readonly FaultAction[], endMs: number): readonly NetworkSpan[] {
  const spans: (NetworkSpan & { toMs: number })[] = [];
  for (const action of schedule) {
    const { atMs, kind } = action;
    if (kind === 'heal' || kind === 'partition') {
      // A new partition takes the place of the one before; all else lasts until it is healed.
      for (const span of spans) if (kind === 'heal' || span.kind === 'partition') span.toMs = Math.min(span.toMs, atMs);
    }
    if (kind === 'partition' || kind === 'block' || kind === 'disturb') spans.push({ kind, fromMs: atMs, toMs: endMs, label: labelOf(action) });
  }
  return spans;
}

function labelOf(action: Extract<FaultAction, { kind: NetworkSpan['kind'] }>): string {
  switch (action.kind) {
    case 'partition': return `cut: ${action.groups.map((group) => group.join(' ')).join(' | ')}`;
    case 'block':     return `blocked: ${action.from.join(' ')} → ${action.to.join(' ')}`;
    case 'disturb':   return `disturbed: ${action.from} → ${action.to} ${JSON.stringify(action.link)}`;
  }
}
