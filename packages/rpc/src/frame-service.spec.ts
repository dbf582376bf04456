import { createServer } from 'node:net';
import { Client, credentials, Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { afterEach, expect, test } from 'vitest';
import { identity, Recorder, refusalOf, startPeer, type PeerLoopback } from '../test/peers.js';
import { callPeer, errorStatus, peerHeaders, PeerFrame } from './index.js';

const open: { close(): unknown }[] = [];
afterEach(() => open.splice(0).forEach((opened) => opened.close()));

async function peer(...args: Parameters<typeof startPeer>): Promise<PeerLoopback> {
  const started = await startPeer(...args);
  open.push(started);
  return started;
}

const headersOf = (changes: Record<string, string> = {}): Record<string, string> => ({
  [peerHeaders.cluster]: 'blue',
  [peerHeaders.node]: 'n1',
  [peerHeaders.protocol]: '1',
  ...changes,
});
const frame = (text: string): Buffer => Buffer.from(PeerFrame.encode({ payload: Buffer.from(text) }).finish());

test('two nodes of a cluster know each other and talk both ways', async () => {
  const n2 = await peer();
  const accepting = n2.accepted();
  const { stream, events } = n2.call(identity('n1'), 'n2');

  stream.send(Buffer.from('before it is open'));
  await events.opened_.promise;
  const accepted = await accepting;
  accepted.stream.send(Buffer.from('an answer'));

  expect(accepted.peer).toBe('n1');
  expect((await accepted.events.frames(1)).map(String)).toEqual(['before it is open']);
  expect((await events.frames(1)).map(String)).toEqual(['an answer']);
});

test.each([
  ['another cluster', { [peerHeaders.cluster]: 'green' }, ['blue', 'green']],
  ['no cluster', { [peerHeaders.cluster]: '' }, ['blue']],
  ['another protocol version', { [peerHeaders.protocol]: '2' }, ['speaks 1', '"2"']],
  ['a node id that is none', { [peerHeaders.node]: '../etc' }, [peerHeaders.node, '../etc']],
  ['no node id', { [peerHeaders.node]: '' }, [peerHeaders.node]],
  ['the id of the node that is called', { [peerHeaders.node]: 'n2' }, ['n2']],
])('a call of %s is refused before a frame of it is handled, with both sides named', async (_name, changes, named) => {
  const refused: string[] = [];
  const n2 = await peer({ onRefused: (error) => refused.push(error.code) });

  const error = await refusalOf(n2.address, headersOf(changes), [frame('x')]);

  expect(error.code).toBe('invalid_argument');
  for (const text of named) expect(error.message).toContain(text);
  expect(refused).toEqual(['invalid_argument']);
  expect(n2.streams).toEqual([]);
});

test('a call without any introduction is refused', async () => {
  const n2 = await peer();

  expect(await refusalOf(n2.address, {})).toMatchObject({ code: 'invalid_argument', message: expect.stringContaining('says nothing') });
});

test('a node that belongs to no cluster yet asks to be called later', async () => {
  const n2 = await peer({ self: () => undefined });

  const error = await refusalOf(n2.address, headersOf());

  expect(error).toMatchObject({ code: 'not_ready', retryable: true });
  expect(errorStatus[error.code].http).toBe(503);
});

test('what the accepting side throws is the status of the call', async () => {
  const n2 = await peer({
    accept: () => {
      throw new TypeError('secret');
    },
  });

  const error = await refusalOf(n2.address, headersOf());

  expect(error.code).toBe('internal');
  expect(error.message).not.toContain('secret');
});

test('another node at the address is not taken for the one that was called', async () => {
  const n2 = await peer();
  const accepting = n2.accepted();
  const { stream, events } = n2.call(identity('n1'), 'n3');
  stream.send(Buffer.from('for n3 only'));

  expect(await events.closed_.promise).toMatchObject({ by: 'failure', error: { message: 'The node at this address is n2, not n3.' } });
  const accepted = await accepting;
  await accepted.events.closed_.promise;
  expect(accepted.events.received_).toEqual([]);
});

test('a caller whose own cluster differs hears both names', async () => {
  const n2 = await peer();
  const { events } = n2.call(identity('n1', 'green'), 'n2');

  expect(await events.closed_.promise).toMatchObject({ by: 'failure', error: { code: 'invalid_argument', message: expect.stringMatching(/blue.*green/) } });
});

test('a socket that accepts and never answers fails the call when the handshake has taken too long', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  open.push(silent);
  const { port } = silent.address() as { port: number };

  const { events } = callAddress(`127.0.0.1:${port}`);

  expect(await events.closed_.promise).toMatchObject({ by: 'failure', error: { code: 'deadline_exceeded' } });
});

test('a gRPC server that takes the call and never answers it does so too', async () => {
  const server = await bareServer(() => undefined);

  expect(await callAddress(server).events.closed_.promise).toMatchObject({ error: { code: 'deadline_exceeded' } });
});

test('a gRPC server that does not say who it is is refused', async () => {
  const server = await bareServer((call) => call.sendMetadata(new (Object.getPrototypeOf(call.metadata).constructor)()));

  expect(await callAddress(server).events.closed_.promise).toMatchObject({ error: { code: 'invalid_argument', message: expect.stringContaining('says nothing') } });
});

test('nobody at the address is a failure that may be tried again', async () => {
  const closed = await startPeer();
  closed.close();

  expect(await callAddress(closed.address).events.closed_.promise).toMatchObject({ by: 'failure', error: { code: 'unavailable', retryable: true } });
});

test('a message over the limit of the server ends the stream as too large', async () => {
  const n2 = await peer({ messageBytesMax: 1_000 });

  expect(await refusalOf(n2.address, headersOf(), [frame('x'.repeat(2_000))])).toMatchObject({ code: 'payload_too_large' });
  expect(n2.streams[0]!.events.received_).toEqual([]);
});

test('bytes that are no frame end the stream as the fault of the caller', async () => {
  const n2 = await peer();

  expect(await refusalOf(n2.address, headersOf(), [Buffer.from([0x0a, 200, 1])])).toMatchObject({ code: 'invalid_argument' });
  expect(await n2.streams[0]!.events.closed_.promise).toMatchObject({ by: 'failure' });
});

function callAddress(address: string): ReturnType<PeerLoopback['call']> {
  const client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
  open.push(client);
  const events = new Recorder();
  const stream = callPeer(client, { channel: 'replication', self: identity('n1'), peer: identity('n2').nodeId, stream: { handshakeMs: 300 } }, events);
  return { stream, events };
}

async function bareServer(serve: (call: ServerDuplexStream<Buffer, Buffer>) => void): Promise<string> {
  const server = new Server();
  const same = (bytes: Buffer): Buffer => bytes;
  const method = { path: '/engram.v1.Replication/Stream', requestStream: true, responseStream: true, requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };
  server.addService({ stream: method }, { stream: serve });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  open.push({ close: () => server.forceShutdown() });
  return `127.0.0.1:${port}`;
}
