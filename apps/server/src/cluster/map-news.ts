import type { MapChange } from '@engram/placement';

/**
 * What changed in the map, in a line for people: `n2 took over 171 partitions from n3`. Changes of the same kind are
 * counted together; a promotion alone may be hundreds.
 */
export function mapNews(changes: readonly MapChange[]): string {
  const counts = new Map<string, number>();
  const lines: string[] = [];
  const count = (what: string): void => void counts.set(what, (counts.get(what) ?? 0) + 1);
  for (const change of changes) {
    switch (change.kind) {
      case 'node-joined':      lines.push(`${change.node.id} is in the roster`); break;
      case 'node-removed':     lines.push(`${change.node.id} left the roster`); break;
      case 'node-changed':     lines.push(change.before.state === change.node.state ? `${change.node.id} has other addresses` : `${change.node.id} is ${change.node.state}`); break;
      case 'voters-changed':   lines.push(`voters are ${change.voters.map(({ id }) => id).join(', ')}`); break;
      case 'policies-changed': lines.push(`policies are factor ${change.policies.factor}, ack ${change.policies.ack}, partition ${change.policies.partition}`); break;
      case 'moves-paused':     lines.push('moves are paused'); break;
      case 'moves-resumed':    lines.push('moves go on'); break;
      case 'primary-changed':  count(`${change.to} took over # from ${change.from}${change.provisional ? ', provisionally' : ''}`); break;
      case 'replicas-changed':
        for (const node of change.added) count(`${node} holds a copy of # more`);
        for (const node of change.removed) count(`${node} holds a copy of # less`);
        break;
      case 'move-started':     count(`${change.to} is being filled with #`); break;
      case 'move-ended':       if (!change.done) count(`${change.to} is no longer being filled with #`); break;
    }
  }
  return [...lines, ...[...counts].map(([what, times]) => what.replace('#', `${times} ${times === 1 ? 'partition' : 'partitions'}`))].join('; ');
}
