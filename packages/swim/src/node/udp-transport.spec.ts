import { afterEach, expect, test, vi } from 'vitest';
import { UdpTransport, type UdpOptions } from './udp-transport.js';

const open: UdpTransport[] = [];
afterEach(async () => void (await Promise.all(open.splice(0).map((transport) => transport.close()))));

async function transportOf(options: Partial<UdpOptions> = {}) {
  const heard: string[] = [];
  const transport = await UdpTransport.bind({ host: '127.0.0.1', port: 0, receiveBufferBytes: 65_536, onDatagram: (from, bytes) => heard.push(`${from} ${Buffer.from(bytes).toString()}`), ...options });
  open.push(transport);
  return { transport, heard, hears: (line: string) => vi.waitFor(() => expect(heard).toContain(line), { timeout: 5_000, interval: 2 }) };
}

test('datagrams arrive with the address they came from, and both sides count them', async () => {
  const a = await transportOf();
  const b = await transportOf();
  a.transport.send('127.0.0.1', b.transport.port, Buffer.from('hello'));
  await b.hears(`127.0.0.1:${a.transport.port} hello`);
  await vi.waitFor(() => expect(a.transport.counters()).toEqual({ packetsIn: 0, packetsOut: 1, bytesIn: 0, bytesOut: 5, sendErrors: {} }));
  expect(b.transport.counters()).toMatchObject({ packetsIn: 1, bytesIn: 5 });
});

test('a socket for both families spells IPv4 as IPv4 and reaches it', async () => {
  const both = await transportOf({ host: '::' });
  const v4 = await transportOf();
  both.transport.send('127.0.0.1', v4.transport.port, Buffer.from('ping'));
  await v4.hears(`127.0.0.1:${both.transport.port} ping`);
  v4.transport.send('127.0.0.1', both.transport.port, Buffer.from('pong'));
  await both.hears(`127.0.0.1:${v4.transport.port} pong`);
  const v6 = await transportOf({ host: '::1' });
  both.transport.send('::1', v6.transport.port, Buffer.from('six'));
  await v6.hears(`[::1]:${both.transport.port} six`);
});

test('what cannot be sent is counted by its reason and never thrown', async () => {
  const { transport } = await transportOf();
  transport.send('::1', 9, Buffer.from('x'));
  transport.send('127.0.0.1', 9, Buffer.alloc(70_000));
  transport.send('name', 9, Buffer.from('x'));
  transport.countUnresolved();
  await vi.waitFor(() => expect(transport.counters().sendErrors).toEqual({ 'address-family': 2, EMSGSIZE: 1, unresolved: 1 }));
});

test('a closed socket neither sends nor throws, and its port is free', async () => {
  const { transport } = await transportOf();
  const { port } = transport;
  await Promise.all([transport.close(), transport.close()]);
  transport.send('127.0.0.1', 9, Buffer.from('x'));
  expect((await transportOf({ port })).transport.port).toBe(port);
});
