import { createServer } from 'node:net';
import type { Random } from '@engram/kernel';

/** Below the range that outgoing connections take theirs from, so that a node that is down for a while finds its port free. */
export async function quietPorts(count: number, random: Random): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 12_000 + random.below(18_000);
    const server = createServer();
    const free = await new Promise<boolean>((settle) => server.once('error', () => settle(false)).listen(port, '127.0.0.1', () => settle(true)));
    if (free) ports.add(port);
    server.close();
  }
  return [...ports];
}
