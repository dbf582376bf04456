import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parseClusterId } from '@engram/kernel';
import { afterEach, expect, test, vi } from 'vitest';
import type { Address } from '../core/index.js';
import { plainConversations, sealedConversations } from './conversation.js';
import { framed } from './frame-reader.js';
import { generateKey, Keyring } from './keyring.js';
import { Seal } from './seal.js';
import { TcpTransport, type TcpOptions } from './tcp-transport.js';

vi.setConfig({ testTimeout: 30_000 });

const open: { close(): Promise<void> }[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(open.splice(0).map((transport) => transport.close()));
});

async function transportOf(options: Partial<TcpOptions> = {}) {
  const log: string[] = [];
  const transport: TcpTransport = await TcpTransport.bind({
    host: '127.0.0.1', port: 0, frameBytesMax: 1_000, conversations: plainConversations,
    onFrame: (stream, _from, bytes) => log.push(`frame ${stream}: ${Buffer.from(bytes).toString()}`),
    onClosed: (stream, reason) => log.push(`closed ${stream}: ${reason}`),
    onRejected: (reason) => log.push(`rejected: ${reason}`),
    ...options,
  });
  open.push(transport);
  return { transport, log, logs: (line: string) => vi.waitFor(() => expect(log).toContain(line), { timeout: 5_000, interval: 2 }) };
}

/** A client that is none of ours. Resolves when it is connected. */
async function rawClient(port: number): Promise<{ socket: Socket; closed: Promise<unknown> }> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined).resume();
  sockets.push(socket);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await once(socket, 'connect');
  return { socket, closed };
}

const bytes = (text: string) => Buffer.from(text);
const dial = (from: TcpTransport, id: number, port: number, text: string) => from.open(id, 'there' as Address, '127.0.0.1', port, bytes(text));

test.each([
  ['plain', () => plainConversations],
  ['sealed', () => sealedConversations(new Seal(new Keyring(key), parseClusterId('test')))],
])('a %s conversation goes to and fro, and its end is told to the side that did not end it', async (_what, conversations) => {
  const a = await transportOf({ conversations: conversations() });
  const b = await transportOf({ conversations: conversations() });
  dial(a.transport, 1, b.transport.port, 'question');
  await b.logs('frame -1: question');
  b.transport.send(-1, bytes('answer'));
  await a.logs('frame 1: answer');
  a.transport.send(1, bytes('thanks'));
  a.transport.end(1);
  await b.logs('closed -1: ended by the other side');
  expect(b.log).toContain('frame -1: thanks');
  expect(a.log).toEqual(['frame 1: answer']);
  await vi.waitFor(() => expect([a, b].map(({ transport }) => transport.counters().open)).toEqual([0, 0]));
});
const key = generateKey();

test('nobody listening is told as closed', async () => {
  const a = await transportOf();
  // A port that the system gives to nobody.
  dial(a.transport, 1, 1, 'hello?');
  await a.logs('closed 1: ECONNREFUSED');
});

test('a stream that the core ends is not told as closed, even if it never came about', async () => {
  const a = await transportOf();
  const b = await transportOf();
  dial(a.transport, 1, b.transport.port, 'never mind');
  a.transport.end(1);
  await b.logs('closed -1: ended by the other side');
  a.transport.send(1, bytes('too late'));
  a.transport.end(1);
  expect(a.log).toEqual([]);
});

test('a frame that announces too much is refused from its length, and the connection cut', async () => {
  const a = await transportOf();
  const { socket, closed } = await rawClient(a.transport.port);
  socket.write(Uint8Array.of(0, 0, 0x03, 0xe9));
  await closed;
  expect(a.log).toEqual(['rejected: frame-too-large', 'closed -1: frame-too-large']);
});

test('silence is ended after a while, and is an offence only for who never said anything', async () => {
  const a = await transportOf({ idleMs: 200 });
  const silent = await rawClient(a.transport.port);
  await silent.closed;
  const used = await rawClient(a.transport.port);
  used.socket.write(framed(bytes('hello')));
  await used.closed;
  expect(a.log).toEqual(['rejected: stream-idle', 'closed -1: stream-idle', 'frame -2: hello', 'closed -2: stream-idle']);
});

test('whoever drips bytes for ever is ended too', async () => {
  const a = await transportOf({ lifetimeMs: 100 });
  const { socket, closed } = await rawClient(a.transport.port);
  socket.write(Uint8Array.of(0, 0, 0x03, 0xe8));
  const dripping = setInterval(() => socket.write(Uint8Array.of(0)), 5);
  await closed;
  clearInterval(dripping);
  expect(a.log).toEqual(['rejected: stream-late', 'closed -1: stream-late']);
});

test('connections are capped: who proved nothing makes room, who did is not pushed out', async () => {
  const a = await transportOf({ inboundMax: 2 });
  const proven = await rawClient(a.transport.port);
  proven.socket.write(framed(bytes('one of us')));
  await a.logs('frame -1: one of us');
  const silent = await rawClient(a.transport.port);
  const third = await rawClient(a.transport.port);
  await silent.closed;
  third.socket.write(framed(bytes('me too')));
  await a.logs('frame -3: me too');
  const fourth = await rawClient(a.transport.port);
  await fourth.closed;
  expect(a.log.filter((line) => line === 'rejected: streams-full')).toHaveLength(2);
  proven.socket.write(framed(bytes('still here')));
  await a.logs('frame -1: still here');
});

test('whoever does not read is cut off instead of filling memory', async () => {
  const a = await transportOf({ frameBytesMax: 1_000_000 });
  const { socket } = await rawClient(a.transport.port);
  socket.pause();
  socket.write(framed(bytes('ask')));
  await a.logs('frame -1: ask');
  for (let i = 0; i < 100 && a.log.length === 1; i++) a.transport.send(-1, new Uint8Array(1_000_000));
  expect(a.log).toContain('closed -1: the other side does not read');
});

test('closing cuts every stream, tells nobody, and frees the port', async () => {
  const a = await transportOf();
  const { closed } = await rawClient(a.transport.port);
  const { port } = a.transport;
  await a.transport.close();
  await closed;
  expect(a.log).toEqual([]);
  expect((await transportOf({ port })).transport.port).toBe(port);
});

test('without the key a stream comes to nothing, either way', async () => {
  const sealed = await transportOf({ conversations: sealedConversations(new Seal(new Keyring(key), parseClusterId('test'))) });
  const plain = await transportOf();
  dial(plain.transport, 1, sealed.transport.port, 'let me in');
  await sealed.logs('rejected: not-sealed');
  await vi.waitFor(() => expect(plain.log.some((line) => line.startsWith('closed 1'))).toBe(true));
  expect(sealed.log.some((line) => line.startsWith('frame'))).toBe(false);
});
