import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { networkInterfaces } from 'node:os';
import { OptionsError, shown } from '@engram/kernel';
import type { Endpoint } from '../core/index.js';

export interface MulticastSocketsOptions {
  readonly group: Endpoint;
  readonly family: 4 | 6;
  /** Local addresses, or for IPv6 `::%name`. */
  readonly interfaces: readonly string[];
  readonly ttl: number;
  readonly onMessage: (bytes: Buffer, from: RemoteInfo) => void;
  /** The sockets cannot be used any longer. */
  readonly onBroken: (error: Error) => void;
}

/** More interfaces than this are not used: a host of containers has hundreds. */
const interfacesMax = 16;

/**
 * One socket that hears the group on all interfaces, and one per interface that speaks. Others on this machine hear the
 * group, too: the port is shared, and what is said comes back to the machine.
 */
export class MulticastSockets {
  readonly #group: Endpoint;
  readonly #ear: Socket;
  readonly #mouths: readonly Socket[];

  private constructor(group: Endpoint, ear: Socket, mouths: readonly Socket[]) {
    this.#group = group;
    this.#ear = ear;
    this.#mouths = mouths;
  }

  /** Rejects when the group can be joined on no interface at all; nothing stays open then. */
  static async open({ group, family, interfaces, ttl, onMessage, onBroken }: MulticastSocketsOptions): Promise<MulticastSockets> {
    const type = family === 4 ? 'udp4' : 'udp6';
    const opened: Socket[] = [];
    const open = async (address: string | undefined, port: number): Promise<Socket> => {
      const socket = createSocket({ type, reuseAddr: true, ipv6Only: family === 6 });
      opened.push(socket);
      socket.bind({ port, ...(address !== undefined && { address }) });
      await once(socket, 'listening');
      return socket;
    };
    try {
      // Bound to the group, the socket hears nothing that was sent to this machine alone; Windows cannot do that.
      const ear = await open(process.platform === 'win32' || family === 6 ? undefined : group.host, group.port);
      const joined = interfaces.filter((name) => joins(ear, group.host, name));
      if (joined.length === 0) throw new Error(`no interface lets ${group.host} be joined (tried ${interfaces.join(', ') || 'none, as there is none'})`);
      const mouths = await Promise.all(joined.map((name) => openMouth(open, name, ttl)));
      ear.on('message', onMessage);
      for (const socket of opened) socket.on('error', onBroken);
      return new MulticastSockets(group, ear, mouths);
    } catch (error) {
      opened.forEach(close);
      throw error;
    }
  }

  /** Says it on every interface. Rejects when it could be said on none. */
  async send(bytes: Buffer): Promise<void> {
    const sent = await Promise.allSettled(this.#mouths.map((mouth) => sendFrom(mouth, bytes, this.#group)));
    const failed = sent.find(({ status }) => status === 'rejected');
    if (failed && !sent.some(({ status }) => status === 'fulfilled')) throw (failed as PromiseRejectedResult).reason;
  }

  close(): void {
    close(this.#ear);
    this.#mouths.forEach(close);
  }
}

/**
 * The interfaces to use: the one that is named or whose address is given, else all that the machine has, its loopback
 * included, so that processes on one machine find each other also without a network.
 */
export function interfacesFor(wanted: string | undefined, family: 4 | 6): readonly string[] {
  const all = Object.entries(networkInterfaces()).flatMap(([name, addresses]) => (addresses ?? []).filter((address) => address.family === `IPv${family}`).map(({ address }) => ({ name, address })));
  const chosen = wanted === undefined ? all : all.filter(({ name, address }) => name === wanted || address === wanted);
  if (wanted !== undefined && chosen.length === 0) {
    const known = [...new Set(all.flatMap(({ name, address }) => [name, address]))].join(', ');
    throw new OptionsError('interface', `must be the name or an IPv${family} address of an interface of this machine (${known}); got ${shown(wanted)}`);
  }
  // IPv6 groups are joined by interface and IPv4 groups by address; one address per interface is enough.
  return [...new Map(chosen.map(({ name, address }) => [name, family === 4 ? address : `::%${name}`])).values()].slice(0, interfacesMax);
}

/** The addresses of this machine. */
export function ownHosts(): ReadonlySet<string> {
  return new Set(Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address)));
}

function joins(ear: Socket, group: string, name: string): boolean {
  try {
    ear.addMembership(group, name);
    return true;
  } catch {
    // An interface that is down, or knows no multicast.
    return false;
  }
}

async function openMouth(open: (address: string | undefined, port: number) => Promise<Socket>, name: string, ttl: number): Promise<Socket> {
  const mouth = await open(undefined, 0);
  mouth.setMulticastInterface(name);
  mouth.setMulticastTTL(ttl);
  mouth.setMulticastLoopback(true);
  mouth.unref();
  return mouth;
}

function sendFrom(socket: Socket, bytes: Buffer, { host, port }: Endpoint): Promise<void> {
  return new Promise((resolve, reject) => socket.send(bytes, port, host, (error) => (error ? reject(error) : resolve())));
}

function close(socket: Socket): void {
  socket.removeAllListeners();
  // What was still to be sent fails now, and nobody is interested.
  socket.on('error', () => undefined);
  try {
    socket.close();
  } catch {
    // It was closed, or never open.
  }
}
