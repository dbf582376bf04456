/**
 * The write-ahead log without its disk: the state machine, the file format, and recovery as a function of bytes. And
 * replication without its network: `ReplicationCore` ships every entry to every copy. For simulators, offline tools and
 * other drivers; users of the log itself import `@engram/replication`.
 *
 * @packageDocumentation
 */
export { WriteAheadLogCore, type LogStart } from './write-ahead-log.js';
export type { AppendCall, DiskFault, LogEffect, LogEvent, LogState, Refusal } from './messages.js';
export type { LogEntry } from './entry.js';
export { lsn, parseSegmentFileName, plus, segmentFileName, type Lsn } from './lsn.js';
export { resolveLogOptions, type LogOptions } from './options.js';

export { LogRecovery, type LogDamage, type LogGap, type RecoveredLog, type RecoveryOutcome, type RecoveryWitnesses, type TornTail } from './recovery.js';
export { LogSalvage, UNKNOWN_LOSS_POSITIONS, type SalvagedSegment, type SalvageLoss } from './salvage.js';
export { scanSegment, type SegmentFault, type SegmentScan } from './segment-scan.js';
export { deletableSegments, type SegmentSummary } from './retention.js';

export type { Checksum } from './checksum.js';
export { FRAME_HEADER_BYTES, frameBytes, FrameReader, FrameWriter, SEAL_BYTES, type Frame, type FrameFault, type FrameOutcome } from './record.js';
export { decodeSegmentHeader, encodeSegmentHeader, frameSeed, logIdCandidates, SEGMENT_HEADER_BYTES, SEGMENT_VERSION, type HeaderOutcome, type SegmentHeader } from './segment-header.js';
export { CLEAN_MARK_BYTES, CLEAN_MARK_FILE, decodeCleanMark, encodeCleanMark, type CleanMark } from './clean-mark.js';

// The distributed half: every entry, on every copy, in order.
export { emptyStart, ReplicationCore, type PartitionStatus, type ReplicationStart, type ReplicationStatus } from './shipping/replication.js';
export type { AppliedEntry, CopyRecord, LoggedEntry, NewEntry, ReachedDurability, ReplicationEffect, ReplicationEvent, SessionToken, WriteRefusal } from './shipping/messages.js';
export { defaultReplicationOptions, resolveReplicationOptions, type ReplicationOptions, type ResolvedReplicationOptions } from './shipping/options.js';
export type { Identity } from './shipping/shared.js';
export { ackLevels, copiesMax, counts, entryComplaint as tableComplaint, holdersOf, isMajority, reachedSeq, type AckLevel, type CopyHolder, type PartitionEntry } from './shipping/table.js';
export { comparePositions, Lineage, lineageStepsMax, startPosition, type LineageStep, type Position } from './shipping/lineage.js';
export { epochOpenPayload, readPayload, takenUpPayload, type EntryPayload } from './shipping/payload.js';
export type { CountersSnapshot } from './shipping/counters.js';
export type { PeerLag } from './shipping/lag.js';
export type { SetAside, TakenUp } from './shipping/set-aside.js';
export { decodeMessage, encodeMessage, messageBytesMax, type DecodeOutcome } from './shipping/codec.js';
export {
  protocolVersion,
  refusalReasons,
  type AppendedItem,
  type EntryGroup,
  type FencedMessage,
  type GoodbyeMessage,
  type GoodbyeReason,
  type HeartbeatItem,
  type HelloMessage,
  type LineageItem,
  type OfferedEntry,
  type PositionItem,
  type RefusalReason,
  type RefusedMessage,
  type SnapshotBeginMessage,
  type SnapshotResume,
  type WireEntry,
  type WireMessage,
} from './shipping/wire.js';
