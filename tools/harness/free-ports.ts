/** Ports for servers that are started, killed and started again on loopback. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/**
 * Ports below the ranges that systems take those of outgoing connections from (Linux: 32768 on, IANA: 49152 on). A port
 * that the system itself names as free comes from that range, and is soon somebody's outgoing connection again: then a
 * node that was killed would not find its port free when it is started again.
 */
const range = { from: 10_240, below: 32_768 };

/** Those that this process was given before: whoever asked for them may not listen yet. */
const given = new Set<number>();

/** Ports on 127.0.0.1 that nobody listens on, with TCP or UDP, and that no other call has got. */
export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < count; tries += 1) {
    if (tries > 1_000) throw new Error(`among 1000 ports from ${range.from} to ${range.below - 1} of 127.0.0.1 there are no ${count} that are free`);
    const port = randomInt(range.from, range.below);
    if (given.has(port)) continue;
    given.add(port);
    if ((await isFreeForTcp(port)) && (await isFreeForUdp(port))) ports.push(port);
  }
  return ports;
}

function isFreeForTcp(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((settle) => server.once('error', () => settle(false)).listen(port, '127.0.0.1', () => server.close(() => settle(true))));
}

function isFreeForUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  return new Promise((settle) => socket.once('error', () => socket.close(() => settle(false))).bind(port, '127.0.0.1', () => socket.close(() => settle(true))));
}
