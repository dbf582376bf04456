/**
 * @engram/cluster: the protocols of Engram, meeting. Nodes form one cluster, agree on who holds what, keep copies and take
 * over from one another; all of it as pure cores.
 *
 * @packageDocumentation
 */
export * from './core/index.js';
