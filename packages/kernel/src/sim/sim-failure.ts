import { EngramError } from '../errors.js';
import { shown } from '../shown.js';
import { seconds } from './transcript.js';

/** Code of a node or a check threw: what, and where in which run, so that it can be replayed. `cause` is what was thrown. */
export class SimFailure extends EngramError {
  override readonly name: string = 'SimFailure';

  constructor(thrown: unknown, seed: string, event: number, atUs: number, node: string | undefined) {
    const what = thrown instanceof Error ? thrown.message : shown(thrown);
    const where = `seed ${seed}, event ${event}, at ${seconds(atUs).trimStart()}${node === undefined ? '' : `, node ${node}`}`;
    super('assertion_failed', `${what} (${where})`, {
      cause: thrown,
      hint: `Run the same scenario with seed ${seed} to see it again.`,
      details: { seed, event, atUs, ...(node === undefined ? {} : { node }) },
    });
  }
}
