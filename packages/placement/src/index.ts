/**
 * @engram/placement: which node holds which key, computed alike by everybody who asks, and agreed where it has to be.
 *
 * @example
 * ```ts
 * const partition = partitionOf(parseSpaceId('team-notes'), DEFAULT_PARTITIONS);
 * ```
 *
 * Everything here is a pure core, so the core is the package; what touches disk and network is up to its user.
 *
 * @packageDocumentation
 */
export * from './core/index.js';
