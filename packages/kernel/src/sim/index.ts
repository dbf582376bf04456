/**
 * @engram/kernel/sim: a world in which the production cores run unchanged, with virtual time, a network and clocks that
 * fail as asked, and machines that are killed; every run replays from its seed.
 *
 * @example
 * ```ts
 * const world = new SimWorld({ seed: 7, link: { loss: 0.1 } });
 * world.addNode('a', (env) => new Replica(env));
 * world.addNode('b', (env) => new Replica(env));
 * applyFaults(world, [{ atMs: 1_000, kind: 'kill', node: 'b' }, { atMs: 5_000, kind: 'restart', node: 'b' }]);
 * world.run({ untilMs: 60_000 });
 * ```
 *
 * @packageDocumentation
 */

// The world and its nodes.
export { SimWorld, type RunLimits, type RunResult, type SimWorldOptions } from './sim-world.js';
export type { SimNode, SimNodeOptions } from './machine.js';
export type {
  Address,
  SimDatagrams,
  SimEnv,
  SimProcess,
  SimStorage,
  SimStream,
  SimStreams,
  StreamClosed,
  StreamHandlers,
} from './env.js';

// What goes wrong.
export { defaultLinkOptions, resolveLinkOptions, type DelayOptions, type LinkOptions, type ResolvedLinkOptions } from './link-options.js';
export type { SimNetwork } from './network.js';
export { dropReasons, type DropReason } from './link.js';
export type { DropCounts, NetworkTotals, NodeTraffic } from './traffic.js';
export { applyFaults, type FaultAction, type KillKind, type NodePattern } from './faults.js';
export { randomFaultKinds, randomFaultSchedule, type RandomFaultKind, type RandomFaultOptions } from './random-faults.js';
export type { BuggifyOptions } from './buggify-oracle.js';

// What can be said about a run.
export { checkDeterminism, type DeterminismReport, type DrawDifference, type EventDifference, type Scenario } from './determinism.js';
export { SimFailure } from './sim-failure.js';
export type { LifeEvent, TraceEvent } from './context.js';
export { transcriptKinds, type Transcript, type TranscriptKind, type TranscriptOptions } from './transcript.js';
export type { DrawNote, EventNote, RunRecord } from './run-record.js';
