import { PartitionCopy } from '../../src/core/shipping/partition-copy.js';
import { runTrial, type Defects } from './replication-trial.js';

/** A mistake that someone could make, and where to begin looking for a trial that notices it. */
export interface PlantedBug {
  readonly name: string;
  readonly seed: number;
  /** What the trial says about it. */
  readonly shows: RegExp;
  /** Mistakes of the machine around the core, or of whoever promotes. */
  readonly defects?: Defects;
  /** Mistakes of the core itself; returns what undoes it. */
  readonly plant?: () => () => void;
}

export const plantedBugs: readonly PlantedBug[] = [
  { name: 'a copy says durable before it is', seed: 1, shows: /is lost/, defects: { earlyDurable: true } },
  { name: 'a tail is truncated on demotion', seed: 1, shows: /is lost|differ/, plant: truncateTails },
  { name: 'an epoch is used by two primaries', seed: 1, shows: /both acknowledge|share the place/, defects: { reuseEpoch: true, skipFence: true } },
  { name: 'an entry that comes back is applied twice', seed: 1, shows: /applied .* twice/, plant: applyTwice },
  { name: 'a primary acknowledges without a lease', seed: 2, shows: /without a lease/, defects: { ignoreLease: true } },
  { name: 'a primary is promoted without fencing', seed: 1, shows: /acknowledged at (quorum|all), is lost/, defects: { skipFence: true } },
  { name: 'checksums of entries are not looked at', seed: 1, shows: /nobody wrote/, defects: { ignoreChecksum: true } },
  { name: 'a primary takes up what it has already', seed: 1, shows: /twice/, plant: takeUpTwice },
];

const trialsMax = 25;

/** What the first trial said that noticed the bug, or that none of a few did. */
export function noticed(bug: PlantedBug): string {
  const undo = bug.plant?.();
  try {
    for (let seed = bug.seed; seed < bug.seed + trialsMax; seed++) {
      const said = runTrial({ seed, ...(bug.defects && { defects: bug.defects }) }).violations.join('\n');
      if (bug.shows.test(said)) return said;
    }
    return `nothing in ${trialsMax} trials`;
  } finally {
    undo?.();
  }
}

function patched<K extends 'setAsideAfter' | 'landed' | 'holds'>(name: K, wrong: PartitionCopy[K]): () => void {
  const right = PartitionCopy.prototype[name];
  PartitionCopy.prototype[name] = wrong;
  return () => {
    PartitionCopy.prototype[name] = right;
  };
}

function truncateTails(): () => void {
  const setAside = PartitionCopy.prototype.setAsideAfter;
  return patched('setAsideAfter', function (this: PartitionCopy, seq) {
    for (const range of setAside.call(this, seq)) for (let at = 0; at <= range.to - range.from; at++) this.tails.remove({ epoch: range.original.epoch, seq: range.original.seq + at });
    return [];
  });
}

function applyTwice(): () => void {
  const landed = PartitionCopy.prototype.landed;
  return patched('landed', function (this: PartitionCopy, entry, at) {
    const operation = landed.call(this, entry, at);
    const { payload } = entry;
    return operation ?? (payload[2] === 1 && payload[0] === 0xc1 ? payload.subarray(19) : undefined);
  });
}

function takeUpTwice(): () => void {
  return patched('holds', () => false);
}
