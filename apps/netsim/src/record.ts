import { EngramError } from '@engram/kernel';
import { version } from './version.js';
import type { Plan } from './plan.js';
import { checkPlan, type RunReport } from './run-plan.js';

/** What a file holds: a plan with its schedule written out, and the trace hash that it gave. */
export interface RunRecord {
  readonly format: typeof recordFormat;
  readonly version: string;
  readonly hash: string;
  readonly plan: Plan;
}

const recordFormat = 'netsim-run-1';

export function recordOf({ plan, hash }: RunReport): string {
  return `${JSON.stringify({ format: recordFormat, version, hash, plan } satisfies RunRecord, null, 2)}\n`;
}

/** Throws `invalid_argument` when the text is no record. A schedule may have been edited by hand; the world checks it. */
export function parseRecord(text: string, file: string): RunRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new EngramError('invalid_argument', `${file} is not JSON`, { cause, hint: 'Give a file that `netsim run --save` has written.' });
  }
  if (!isRecord(value)) throw new EngramError('invalid_argument', `${file} is no recorded run of format ${recordFormat}`, { hint: 'Give a file that `netsim run --save` has written.' });
  checkPlan(value.plan);
  return value;
}

function isRecord(value: unknown): value is RunRecord {
  if (typeof value !== 'object' || value === null) return false;
  const { format, hash, plan } = value as Partial<RunRecord>;
  if (format !== recordFormat || typeof hash !== 'string' || typeof plan !== 'object' || plan === null) return false;
  const { scenario, seed, names, spares, schedule } = plan as Partial<Plan>;
  return typeof scenario === 'string' && typeof seed === 'string' && [names, spares, schedule].every((list) => Array.isArray(list));
}
