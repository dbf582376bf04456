import type { LineageStep, Position } from './lineage.js';
import type { TakenUp } from './set-aside.js';

/** A snapshot on its way into this node's store. It can go on over another stream, also in a later epoch, as long as its position stays part of the primary's log. */
export interface Install {
  readonly at: Position;
  readonly lineage: readonly LineageStep[];
  readonly takenUp: readonly TakenUp[];
  stream: number;
  epoch: number;
  /** Where the next chunk begins. */
  cursor: string;
  chunks: number;
  /** Over the checksums of all chunks so far, so that a missing one shows. */
  checksum: number;
  /** The answer of the store that we wait for, and what it is about. */
  busy: { readonly id: number; readonly next: string; readonly finishing: boolean; readonly checksum: number } | undefined;
}
