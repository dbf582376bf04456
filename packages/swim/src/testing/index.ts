/**
 * @engram/swim/testing: a cluster of real members in a simulated world, for tests. The protocol runs as in production;
 * time, network, clocks and disks are simulated, so an hour passes in seconds and every run replays from its seed.
 *
 * @example
 * ```ts
 * const cluster = simulateSwim({ nodes: 5, seed: 7, link: { loss: 0.05 } });
 * cluster.runUntilConverged();
 * cluster.kill('n3');
 * cluster.run({ forMs: 5_000 });
 * expect(cluster.node('n0').view['n3']).toBe('dead');
 * ```
 *
 * @packageDocumentation
 */
export { simulateSwim, SimulatedSwim, type RunFor, type SimulateSwimOptions } from './simulate-swim.js';
export { SimulatedNode, type StateView } from './simulated-node.js';
export type { SeenEffect } from './simulated-process.js';
export type { Sabotage } from './sabotage.js';
