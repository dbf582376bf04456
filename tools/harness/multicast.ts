/** Whether datagrams to a group come back on the loopback interface: containers and sandboxes often have none that does so. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { freePorts } from './free-ports.js';

/** How long a datagram may need from this process to itself, in milliseconds. */
const limitMs = 2_000;
const host = '127.0.0.1';

/** Sends one there and back, as nodes do. @returns why it did not come back; undefined when it did. */
export async function missingMulticast(group: string): Promise<string | undefined> {
  const [port] = (await freePorts(1)) as [number];
  const sockets: Socket[] = [];
  const open = async (address: string, at: number): Promise<Socket> => {
    const socket = createSocket({ type: 'udp4', reuseAddr: true });
    sockets.push(socket);
    socket.bind(at, address);
    await once(socket, 'listening');
    return socket;
  };
  try {
    const [ear, mouth] = [await open(group, port), await open('0.0.0.0', 0)];
    ear.addMembership(group, host);
    mouth.setMulticastInterface(host);
    mouth.setMulticastTTL(0);
    mouth.setMulticastLoopback(true);
    const heard = once(ear, 'message').then(() => undefined);
    await new Promise<void>((settle, fail) => mouth.send('there and back', port, group, (error) => (error ? fail(error) : settle())));
    return await Promise.race([heard, pause(limitMs, `what is sent to ${group} on ${host} does not come back here`, { ref: false })]);
  } catch (error) {
    return `${group} cannot be used on ${host} here: ${(error as Error).message}`;
  } finally {
    for (const socket of sockets) socket.close();
  }
}
