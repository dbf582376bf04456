import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { resolveConfig } from '../config/index.js';
import { fakeCli, FakeHost, type FakeCli } from './fake-cli.js';
import { renderBanner, runServer, type Host, type StartedServer } from './start.js';

class FakeServer implements StartedServer {
  readonly version = '1.2.3';
  readonly nodeId = 'node-1';
  readonly httpAddress = '127.0.0.1:7432';
  readonly grpcAddress = '127.0.0.1:50051';
  readonly dataDirectory = '/data';
  readonly closeReasons: string[] = [];
  settle!: (outcome?: Error) => void;
  readonly closed = new Promise<void>((resolve, reject) => (this.settle = (outcome) => (outcome === undefined ? resolve() : reject(outcome))));

  close(reason: string): Promise<void> {
    this.closeReasons.push(reason);
    return this.closed;
  }
}

interface Scene {
  readonly cli: FakeCli;
  readonly host: FakeHost;
  readonly server: FakeServer;
  readonly logged: { level: number; msg: string }[];
  readonly code: Promise<number>;
}

/** A node that was started and says so. */
async function started(env: Record<string, string> = {}, cli = fakeCli()): Promise<Scene> {
  const host = new FakeHost();
  const server = new FakeServer();
  const logged: Scene['logged'] = [];
  const log = pino({ level: 'trace' }, { write: (line: string) => void logged.push(JSON.parse(line) as Scene['logged'][number]) });
  const code = runServer(cli, host as unknown as Host, resolveConfig({ env, flags: {} }), log, async () => server);
  await Promise.resolve();
  return { cli, host, server, logged, code };
}

test('the banner says who and where the node is, with three lines to copy', () => {
  expect(renderBanner(new FakeServer())).toMatchInlineSnapshot(`
    "
      engram 1.2.3

      node   node-1
      HTTP   http://127.0.0.1:7432  (documentation at http://127.0.0.1:7432/docs)
      gRPC   127.0.0.1:50051
      data   /data

      store   curl -s http://127.0.0.1:7432/api/v1/memory -H 'content-type: application/json' -d '{"content":"The first thing I remember"}'
      recall  curl -s 'http://127.0.0.1:7432/api/v1/recall?q=first+thing'
      status  npm run --silent engram -- status
    "
  `);
});

test('the banner of a node that listens everywhere says what to call', () => {
  const banner = renderBanner({ ...new FakeServer(), close: async () => {}, httpAddress: '0.0.0.0:80', grpcAddress: '[::]:81' });
  expect(banner).toContain('HTTP   http://127.0.0.1:80 ');
  expect(banner).toContain('gRPC   [::1]:81');
  expect(banner).toContain('status --url http://127.0.0.1:80');
});

describe('a signal', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)('%s stops the node in an orderly way', async (signal) => {
    const { host, server, code } = await started();
    host.emit(signal);
    server.settle();
    expect(await code).toBe(0);
    expect(server.closeReasons).toEqual([signal]);
    expect(host.exits).toEqual([]);
  });

  test('that comes a second time does not wait', async () => {
    const { cli, host, server, code } = await started();
    host.emit('SIGINT');
    cli.advance(300);
    host.emit('SIGTERM');
    expect(host.exits).toEqual([1]);
    server.settle();
    await code;
  });

  test('that arrives twice at once, as from a terminal and a parent, is one', async () => {
    const { cli, host, server, code } = await started();
    host.emit('SIGINT');
    cli.advance(10);
    host.emit('SIGINT');
    server.settle();
    expect(await code).toBe(0);
    expect([server.closeReasons, host.exits]).toEqual([['SIGINT'], []]);
  });

  test('during the start ends the process', async () => {
    const host = new FakeHost();
    const server = new FakeServer();
    let ready!: () => void;
    const log = pino({ level: 'silent' });
    const code = runServer(fakeCli(), host as unknown as Host, resolveConfig({ env: {}, flags: {} }), log, () => new Promise((resolve) => (ready = () => resolve(server))));
    host.emit('SIGTERM');
    expect(host.exits).toEqual([1]);
    ready();
    server.settle();
    await code;
  });
});

test('a node that does not stop in the time it was given is left behind', async () => {
  const cli = fakeCli({ onPause: (_before, world) => world.advance(1_000) });
  const { host, logged, code } = await started({ ENGRAM_SERVER_SHUTDOWN_TIMEOUT_MS: '2s' }, cli);
  host.emit('SIGTERM');
  expect(await code).toBe(1);
  expect(logged.at(-1)!.msg).toBe('did not stop in time: leaving; the next start recovers from the log');
});

test('a stop that fails exits 1 and is logged', async () => {
  const { server, logged, code } = await started();
  server.settle(new Error('disk on fire'));
  expect(await code).toBe(1);
  expect(logged.at(-1)).toMatchObject({ level: 50, msg: 'the stop was not orderly' });
});

test('a stop that was asked for over HTTP exits 0', async () => {
  const { server, code } = await started();
  server.settle();
  expect(await code).toBe(0);
});

test.each(['uncaughtException', 'unhandledRejection'])('an error nobody caught (%s) is logged and exits 1', async (event) => {
  const { host, server, logged, code } = await started();
  host.emit(event, new Error('boom'));
  expect(host.exits).toEqual([1]);
  expect(logged.at(-1)).toMatchObject({ level: 60, err: { message: 'boom' } });
  server.settle();
  await code;
});

test('nothing keeps listening once the node is down', async () => {
  const { host, server, code } = await started();
  server.settle();
  await code;
  expect(host.eventNames()).toEqual([]);
});

test('warnings of the configuration are logged', async () => {
  const { server, logged, code } = await started({ ENGRAM_SERVER_HTTP_BIND: '0.0.0.0:7432', ENGRAM_SERVER_ALLOW_UNAUTHENTICATED: 'true' });
  expect(logged[0]).toMatchObject({ level: 40, key: 'server.http_bind' });
  server.settle();
  await code;
});
