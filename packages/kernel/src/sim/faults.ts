import { unreachable } from '../assert.js';
import { EngramError } from '../errors.js';
import type { Address } from './env.js';
import { driftPpmMax } from './host-clock.js';
import { resolveLinkOptions, type LinkOptions } from './link-options.js';
import type { SimNode } from './machine.js';
import type { SimWorld } from './sim-world.js';

/** The name of a node, or `*` for all of them. */
export type NodePattern = string;

/** How a node dies. `process`: its kernel lives on, resets its streams and keeps what was written. `power`: silence, and what was not synced may be gone. */
export type KillKind = 'process' | 'power';

/**
 * One thing that goes wrong, or right again, at a moment of virtual time. Plain data that JSON can hold, so that a
 * schedule can be stored, replayed, generated and shrunk. What makes no sense at its moment (killing a dead node) does
 * nothing: a schedule stays valid whatever is taken out of it.
 */
export type FaultAction = { readonly atMs: number } & (
  | { readonly kind: 'kill'; readonly node: string; readonly how?: KillKind }
  | { readonly kind: 'restart'; readonly node: string; readonly storage?: 'kept' | 'lost' }
  | { readonly kind: 'stop'; readonly node: string }
  | { readonly kind: 'pause'; readonly node: string; readonly forMs: number }
  | { readonly kind: 'jump-wall-clock'; readonly node: string; readonly byMs: number }
  | { readonly kind: 'drift'; readonly node: string; readonly ppm: number }
  | { readonly kind: 'partition'; readonly groups: readonly (readonly string[])[] }
  | { readonly kind: 'block'; readonly from: readonly NodePattern[]; readonly to: readonly NodePattern[] }
  | { readonly kind: 'disturb'; readonly from: NodePattern; readonly to: NodePattern; readonly link: LinkOptions }
  | { readonly kind: 'heal' }
  | { readonly kind: 'move-address'; readonly address: Address; readonly to: string }
);

/** Actions of one schedule. */
const actionsMax = 100_000;

/**
 * Has every action happen at its time. Throws `invalid_argument` for a node that the world does not have and
 * `invalid_options` for a link that cannot be; then nothing was scheduled.
 */
export function applyFaults(world: SimWorld, schedule: readonly FaultAction[]): void {
  if (schedule.length > actionsMax) throw new EngramError('invalid_argument', `a schedule has at most ${actionsMax} actions, not ${schedule.length}`);
  for (const action of schedule) checkAction(world, action);
  for (const action of schedule) world.at(action.atMs, () => perform(world, action));
}

function perform(world: SimWorld, action: FaultAction): void {
  switch (action.kind) {
    case 'kill':            return world.node(action.node).kill(action.how);
    case 'restart':         return restart(world.node(action.node), action.storage);
    case 'stop':            return world.node(action.node).stop();
    case 'pause':           return world.node(action.node).pause(action.forMs);
    case 'jump-wall-clock': return world.node(action.node).jumpWallClock(action.byMs);
    case 'drift':           return world.node(action.node).drift(action.ppm);
    case 'partition':       return world.network.partition(action.groups);
    case 'block':           return world.network.block(action.from, action.to);
    case 'disturb':         return world.network.disturb(action.from, action.to, action.link);
    case 'heal':            return world.network.heal();
    case 'move-address':    return world.network.move(action.address, action.to);
    default:                return unreachable(action);
  }
}

/** A living node is left alone, so that a schedule whose kill was taken out does not kill after all. */
function restart(node: SimNode, storage: 'kept' | 'lost' = 'kept'): void {
  if (!node.alive) node.restart({ storage });
}

function checkAction(world: SimWorld, action: FaultAction): void {
  if (!(action.atMs >= 0)) throw new EngramError('invalid_argument', `a fault happens at 0 ms or later, not at ${action.atMs}`);
  for (const node of nodesOf(action)) {
    if (node !== '*') world.node(node);
  }
  if (action.kind === 'disturb') resolveLinkOptions(action.link);
  if (action.kind === 'pause' && !(action.forMs >= 0)) throw new EngramError('invalid_argument', `a pause does not last ${action.forMs} ms`);
  if (action.kind === 'jump-wall-clock' && !Number.isSafeInteger(action.byMs)) throw new EngramError('invalid_argument', `a wall clock jumps by whole milliseconds, not ${action.byMs}`);
  if (action.kind === 'drift' && !(Math.abs(action.ppm) <= driftPpmMax)) throw new EngramError('invalid_argument', `a clock drifts by at most ${driftPpmMax} ppm, not ${action.ppm}`);
}

function nodesOf(action: FaultAction): readonly string[] {
  switch (action.kind) {
    case 'partition':    return action.groups.flat();
    case 'block':        return [...action.from, ...action.to];
    case 'disturb':      return [action.from, action.to];
    case 'move-address': return [action.to];
    case 'heal':         return [];
    default:             return [action.node];
  }
}
