import { EngramError } from '@engram/kernel';
import { expect, test } from 'vitest';
import type { DiscoverySource } from '../src/source.js';
import { closedPort, forever, ScriptedServer, sendHalf, sendWithoutEnd, type Script } from './scripted-server.js';

export interface BadDays {
  /** The source, asking at the port of loopback, giving up after `timeoutMs`. */
  readonly sourceAt: (port: number, timeoutMs: number) => DiscoverySource | Promise<DiscoverySource>;
  /** A text that the source sends along and that must never be printed. */
  readonly secret: string;
  /** How the API words a refusal. */
  readonly refusal: { readonly status: number; readonly text: string; readonly hint: RegExp };
}

/** What every source that asks an HTTP API owes when the API does not behave: a `discovery_failed` that says what happened. */
export function testBadDays({ sourceAt, secret, refusal }: BadDays): void {
  const failureOf = async (script: Script, timeoutMs = 5_000): Promise<EngramError> => {
    await using server = await ScriptedServer.start(script);
    return await failureAt(server.port, timeoutMs);
  };
  const failureAt = async (port: number, timeoutMs: number): Promise<EngramError> => {
    const source = await sourceAt(port, timeoutMs);
    const error: unknown = await source.lookUp(forever).then((answer) => expect.unreachable(`answered ${JSON.stringify(answer)}`), (reason: unknown) => reason);
    expect(error).toBeInstanceOf(EngramError);
    const failure = error as EngramError;
    expect(failure.code).toBe('discovery_failed');
    expect(failure.message).toMatch(new RegExp(`^${source.name}: `));
    expect(failure.message).toContain(String(port));
    expect(JSON.stringify(failure) + String(failure.stack) + JSON.stringify(failure.cause ?? '')).not.toContain(secret);
    return failure;
  };

  test('a server error is told with its status', async () => {
    const failure = await failureOf((_, response) => void response.writeHead(500).end('No cluster leader'));
    expect(failure.message).toMatch(/status 500.*No cluster leader/);
  });

  test('a server that hangs is given up', async () => {
    const failure = await failureOf(() => undefined, 100);
    expect(failure.message).toMatch(/silence for 100 ms/);
  });

  test('half an answer is not taken for an answer', async () => {
    const failure = await failureOf((_, response) => sendHalf(response, JSON.stringify(Array(100).fill({ Service: 'engram' }))));
    expect(failure.message).toContain('in the middle of the answer');
  });

  test('a wrong credential is told with what to do about it', async () => {
    const failure = await failureOf((_, response) => void response.writeHead(refusal.status, { 'content-type': 'application/json' }).end(refusal.text));
    expect(failure.message).toContain(`status ${refusal.status}`);
    expect(failure.hint).toMatch(refusal.hint);
  });

  test('an answer that is not JSON is told with its beginning', async () => {
    const failure = await failureOf((_, response) => void response.end('<html>Welcome to nginx!</html>'));
    expect(failure.message).toContain('not JSON: "<html>Welcome');
  });

  test('an empty answer is told as such', async () => {
    expect((await failureOf((_, response) => void response.end())).message).toContain('answered with nothing');
  });

  test('JSON of another shape is told as such', async () => {
    for (const shape of ['null', '{"items": 7}', '"engram"', '42']) {
      const failure = await failureOf((_, response) => void response.end(shape));
      expect(failure.message).toContain('answered with JSON that is no');
    }
  });

  test('an answer without end is cut off', async () => {
    expect((await failureOf((_, response) => sendWithoutEnd(response))).message).toContain('more than 8388608 bytes');
  });

  test('a server that repeats what it was sent does not bring the secret into a message', async () => {
    const failure = await failureOf((asked, response) => void response.writeHead(400).end(`bad: ${JSON.stringify(asked.headers)}${asked.body} ${secret}`.slice(-40)));
    expect(failure.message).toContain('***');
  });

  test('a port that nobody listens on is told as such', async () => {
    expect((await failureAt(await closedPort(), 5_000)).message).toContain('the connection was refused');
  });

  test('an aborted look-up ends at once and says that it was given up', async () => {
    await using server = await ScriptedServer.start(() => aborter.abort());
    const aborter = new AbortController();
    const source = await sourceAt(server.port, 60_000);
    await expect(source.lookUp({ signal: aborter.signal })).rejects.toThrow('was given up before it was answered');
  });
}
