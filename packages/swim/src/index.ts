/**
 * @engram/swim: cluster membership by SWIM with Lifeguard: who is here, who is alive.
 *
 * @packageDocumentation
 */
export * from './core/index.js';
