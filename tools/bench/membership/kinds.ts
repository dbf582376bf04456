/** The implementations that are measured: how a node of each is started, and how its output is read. */
import { execFileSync, spawnSync } from 'node:child_process';

/** What one node says it saw. */
export interface Sighting {
  readonly member: string;
  readonly state: 'alive' | 'gone';
}

export interface Place {
  readonly name: string;
  readonly port: number;
  /** A second port, for implementations that want one. */
  readonly sparePort: number;
  /** Where the first node listens; undefined for that node itself. */
  readonly seed?: number;
  /** 32 bytes in base64. */
  readonly key?: string;
}

export interface Kind {
  readonly name: 'engram' | 'serf';
  readonly profile: string;
  command(place: Place): readonly string[];
  read(line: string): Sighting | undefined;
}

/** @param script the node's script, beside a `node_modules` that holds the build */
export function engramKind(preset: 'lan' | 'fast', script: string): Kind {
  return {
    name: 'engram',
    profile: preset,
    command: ({ name, port, seed, key }) => [process.execPath, script, JSON.stringify({ name, port, seed, key, preset })],
    read: readEngram,
  };
}

/** Serf has no profile as quick as `fast`; its quickest is `local`, which probes once a second as `lan` does. */
export function serfKind(profile: 'lan' | 'local'): Kind {
  return {
    name: 'serf',
    profile,
    command: ({ name, port, sparePort, seed, key }) => [
      'serf', 'agent', `-node=${name}`, `-bind=127.0.0.1:${port}`, `-rpc-addr=127.0.0.1:${sparePort}`, `-profile=${profile}`,
      ...(seed === undefined ? [] : [`-join=127.0.0.1:${seed}`]),
      ...(key === undefined ? [] : [`-encrypt=${key}`]),
    ],
    read: readSerf,
  };
}

const engramStates: Readonly<Record<string, Sighting['state']>> = { joined: 'alive', restarted: 'alive', recovered: 'alive', dead: 'gone', left: 'gone' };

export function readEngram(line: string): Sighting | undefined {
  const [, type = '', member] = /^change (\S+) (\S+)$/.exec(line) ?? [];
  const state = engramStates[type];
  return state === undefined || member === undefined ? undefined : { member, state };
}

/** The library below the agent logs each event at once; what the agent itself logs is gathered for seconds first. */
export function readSerf(line: string): Sighting | undefined {
  const [, event, member] = /serf: EventMember(Join|Failed|Leave): (\S+)/.exec(line) ?? [];
  return member === undefined ? undefined : { member, state: event === 'Join' ? 'alive' : 'gone' };
}

/** The version of the Serf on the PATH; undefined when there is none. Debian's package knows it better than the binary. */
export function serfVersion(): string | undefined {
  if (spawnSync('serf', ['version']).status !== 0) return undefined;
  const packaged = spawnSync('dpkg-query', ['-W', '-f', '${Version}', 'serf'], { encoding: 'utf8' });
  if (packaged.status === 0 && packaged.stdout !== '') return packaged.stdout;
  return execFileSync('serf', ['version'], { encoding: 'utf8' }).split('\n')[0]!.trim();
}
