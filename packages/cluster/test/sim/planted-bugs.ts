import { LeaseGranter, LeaseHolder, type MapContent } from '@engram/placement/core';
import { ReplicationCore, type ReplicationEffect } from '@engram/replication/core';
import type { FaultAction } from '@engram/kernel/sim';
import { RegisterSeat } from '../../src/core/register-seat.js';
import { runTrial, type TrialDefects } from './cluster-trial.js';

/** A mistake that someone could make, and where to begin looking for a trial that notices it. */
export interface PlantedBug {
  readonly name: string;
  readonly seed: number;
  /** What the trial says about it. */
  readonly shows: RegExp;
  readonly defects?: TrialDefects;
  /** Instead of random ones, where what matters is rare. */
  readonly faults?: readonly FaultAction[];
  /** Breaks the product; returns what mends it. */
  readonly plant?: () => () => void;
}

/** Each of three nodes is alone for a while, long enough to be given up and short enough to have a lease still. */
const cutOffInTurn: readonly FaultAction[] = ['n1', 'n2', 'n3', 'n1', 'n2', 'n3'].flatMap((node, index): FaultAction[] => [
  { atMs: 500 + index * 3_500, kind: 'partition', groups: [[node], ['n1', 'n2', 'n3'].filter((other) => other !== node)] },
  { atMs: 2_900 + index * 3_500, kind: 'heal' },
]);

export const plantedBugs: readonly PlantedBug[] = [
  { name: 'a primary acknowledges although its lease ran out', seed: 1, shows: /without a lease|after n\d did in/, plant: ignoreLease },
  { name: 'a new primary begins before the deposed one\'s lease ran out', seed: 3, shows: /after n\d did in/, plant: hasteWithLeases, faults: cutOffInTurn },
  { name: 'a primary is promoted without fencing the copies', seed: 1, shows: /acknowledged at quorum or all/, plant: skipFence },
  { name: 'a map that was only accepted is taken for chosen', seed: 1, shows: /takes version \d+ of the map for chosen/, defects: { learnsAccepted: true } },
  { name: 'a promotion or a reopening uses an epoch again', seed: 1, shows: /both acknowledge|leads|share the place/, plant: reuseEpochs },
  { name: 'a voter forgets at a restart what it accepted', seed: 3, shows: /has two values|was answered by|after version|before it was made/, defects: { forgetsAcceptor: true } },
];

const trialsMax = 15;

/** What the first trial said that noticed the bug, or that none of a few did. */
export function noticed(bug: PlantedBug): string {
  const mend = bug.plant?.();
  try {
    for (let seed = bug.seed; seed < bug.seed + trialsMax; seed++) {
      const said = runTrial({ seed, ...(bug.defects && { defects: bug.defects }), ...(bug.faults && { faults: bug.faults, nodes: 3, forMs: 22_000 }) }).violations.join('\n');
      if (bug.shows.test(said)) return said;
    }
    return `nothing in ${trialsMax} trials`;
  } finally {
    mend?.();
  }
}

function patched<T extends object, K extends keyof T>(prototype: T, name: K, wrong: (right: T[K]) => T[K]): () => void {
  const right = prototype[name];
  prototype[name] = wrong(right);
  return () => {
    prototype[name] = right;
  };
}

function ignoreLease(): () => void {
  return patched(ReplicationCore.prototype, 'handle', (right) => function (this: ReplicationCore, event, now) {
    return right.call(this, event.kind === 'lease' ? { kind: 'lease', validUntil: Number.MAX_SAFE_INTEGER as typeof now } : event, now);
  });
}

/** Both who promotes and who was promoted believe at once that the lease has run out; either alone is harmless. */
function hasteWithLeases(): () => void {
  const holder = patched(LeaseHolder.prototype, 'hasRunOut', () => () => true);
  const granter = patched(LeaseGranter.prototype, 'runsOutInMs', () => () => 0);
  return () => (holder(), granter());
}

/** Copies are asked for nothing: what the promoter's own copy believes is said in the name of all. */
function skipFence(): () => void {
  return patched(ReplicationCore.prototype, 'handle', (right) => function (this: ReplicationCore, event, now) {
    if (event.kind !== 'fence-copies') return right.call(this, event, now);
    return event.nodes.map((node): ReplicationEffect => ({ kind: 'copy-fenced', partition: event.partition, epoch: event.epoch, node, storage: `${node}/1`, granted: true, promised: event.epoch, position: { epoch: 1, seq: 1 }, lineage: [] }));
  });
}

function reuseEpochs(): () => void {
  return patched(RegisterSeat.prototype, 'change', (right) => function (this: RegisterSeat, expected, value, voters, then, now) {
    const table = value.table.map((placement) => (placement.deposed ? { ...placement, epoch: Math.max(1, placement.epoch - 1) } : placement));
    right.call(this, expected, { ...value, table } satisfies MapContent, voters, then, now);
  });
}
