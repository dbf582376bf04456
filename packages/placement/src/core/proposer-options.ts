import { OptionsError } from '@engram/kernel';

/** How a proposer is paced and bounded. Each node may have its own. */
export interface ProposerOptions {
  /** How long voters may take to answer one round before it is tried again under a higher ballot. A few round trips and a disk write. @default 250 */
  readonly roundTimeoutMs?: number;
  /** The first pause after a lost round, drawn between nothing and this; it doubles each time. @default 20 */
  readonly backoffMs?: number;
  /** The longest pause; many times what a round takes, or proposers that contend all the time keep defeating each other. @default 500 */
  readonly backoffMsMax?: number;
  /** When a request gives up, unless it says otherwise. @default 5_000 */
  readonly timeoutMs?: number;
  /** Requests waiting for their turn; more are refused as `overloaded`. @default 64 */
  readonly waitingMax?: number;
}

/** The options with every default filled in. */
export type ResolvedProposerOptions = Required<ProposerOptions>;

/** Throws `invalid_options` naming the field. */
export function resolveProposerOptions(options: ProposerOptions = {}): ResolvedProposerOptions {
  const resolved = { roundTimeoutMs: 250, backoffMs: 20, backoffMsMax: 500, timeoutMs: 5_000, waitingMax: 64, ...options };
  for (const name of ['roundTimeoutMs', 'backoffMs', 'timeoutMs', 'waitingMax'] as const) {
    if (!(resolved[name] >= 1)) throw new OptionsError(name, `must be at least 1, got ${resolved[name]}`);
  }
  if (!(resolved.backoffMsMax >= resolved.backoffMs)) throw new OptionsError('backoffMsMax', 'must not be shorter than backoffMs');
  if (resolved.timeoutMs <= resolved.roundTimeoutMs) throw new OptionsError('timeoutMs', 'must leave room for several rounds of roundTimeoutMs');
  return resolved;
}
