/** A network namespace of its own for the nodes: nobody else's packets are counted, and every port is free. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { freePorts } from '../../harness/free-ports.js';

export interface Traffic {
  /** IP headers included, each packet once. */
  readonly bytes: number;
  readonly packets: number;
}

export interface Network {
  /** Why its traffic cannot be counted; undefined when it can. */
  readonly uncounted?: string;
  ports(count: number): Promise<number[]>;
  /** The same command, run inside. The process keeps its id, and ends when this process does. */
  inside(command: readonly string[]): readonly string[];
  traffic(): Traffic | undefined;
  close(): void;
}

const FIRST_PORT = 20_000;

/** Needs Linux, root and the usual tools; otherwise the nodes share the machine's loopback and their bytes stay uncounted. */
export async function openNetwork(): Promise<Network> {
  const missing = ['unshare', 'nsenter', 'ip', 'setpriv'].filter((tool) => spawnSync('which', [tool]).status !== 0);
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return sharedLoopback('a network namespace needs Linux and root');
  if (missing.length > 0) return sharedLoopback(`a network namespace needs ${missing.join(', ')}`);
  // `cat` ends when its input does, so the namespace goes with this process however that ends.
  const holder = spawn('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo up && exec cat'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const isUp = await Promise.race([once(holder.stdout, 'data').then(() => true), once(holder, 'exit').then(() => false)]);
  return isUp ? namespaceOf(holder) : sharedLoopback('a network namespace was not allowed');
}

function namespaceOf(holder: ChildProcess): Network {
  const pid = `${holder.pid}`;
  return {
    ports: (count) => Promise.resolve(Array.from({ length: count }, (_, index) => FIRST_PORT + index)),
    inside: (command) => ['setpriv', '--pdeathsig', 'KILL', 'nsenter', '--target', pid, '--net', '--', ...command],
    traffic: () => loopbackTraffic(readFileSync(`/proc/${pid}/net/dev`, 'utf8')),
    close: () => void holder.kill('SIGKILL'),
  };
}

function sharedLoopback(uncounted: string): Network {
  return { uncounted, ports: freePorts, inside: (command) => command, traffic: () => undefined, close: () => undefined };
}

/** @throws Error when there is no loopback in it. */
export function loopbackTraffic(netDev: string): Traffic {
  const fields = /^\s*lo:\s*(.*)$/m.exec(netDev)?.[1]?.split(/\s+/).map(Number);
  if (fields === undefined) throw new Error('the network has no loopback device');
  return { bytes: fields[0]!, packets: fields[1]! };
}
