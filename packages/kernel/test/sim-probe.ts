import { utf8Encode } from '../src/index.js';
import type { SimEnv, SimNode, SimProcess, SimWorld, SimNodeOptions } from '../src/sim/index.js';

/** What one datagram looked like to its receiver. */
export interface Got {
  readonly atMs: number;
  readonly from: string;
  readonly text: string;
}

/** A process that remembers what it gets and lets the test use its environment. */
export interface Probe extends SimProcess {
  readonly env: SimEnv;
  readonly got: Got[];
  send(to: string, text: string): void;
}

export function addProbe(world: SimWorld, id: string, options: SimNodeOptions = {}, onBoot: (probe: Probe) => void = () => {}): SimNode<Probe> {
  return world.addNode(
    id,
    (env): Probe => {
      const got: Got[] = [];
      env.datagrams.onReceive((from, bytes) => got.push({ atMs: world.nowMs, from, text: textOf(bytes) }));
      const probe = { env, got, send: (to: string, text: string) => env.datagrams.send(to, utf8Encode(text)) };
      onBoot(probe);
      return probe;
    },
    options,
  );
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8').decode(bytes);
}

/** The living process of a node. */
export function of(node: SimNode<Probe>): Probe {
  if (node.process === undefined) throw new Error(`${node.id} is dead`);
  return node.process;
}
