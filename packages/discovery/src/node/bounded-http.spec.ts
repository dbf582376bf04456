import { EngramError } from '@engram/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { forever, ScriptedServer, sendWithoutEnd, type Script } from '../../test/scripted-server.js';
import { callHttp, openLines, parseJson, refused, textOf, withoutSecrets, type HttpCall } from './bounded-http.js';

// What every source shares of this is tried in test/bad-days.ts; here is what only the streams have.

const callTo = (server: ScriptedServer, more: Partial<HttpCall> = {}): HttpCall => ({ source: 'registry', method: 'GET', url: new URL(server.url), silenceMsMax: 5_000, ...forever, ...more });

async function linesFrom(script: Script): Promise<string[]> {
  await using server = await ScriptedServer.start(script);
  const { lines } = await openLines(callTo(server));
  const read: string[] = [];
  for await (const line of lines) read.push(line);
  return read;
}

describe('a stream of lines', () => {
  test('is the same however the network cuts it, also in the middle of a character', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: fc.constantFrom('a', 'ü', '→', '😀', '"', '{') }), { maxLength: 8 }), fc.array(fc.nat(200), { maxLength: 6 }), async (sent, cuts) => {
        const bytes = Buffer.from(sent.map((line) => `${line}\n`).join(''));
        const at = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length];
        const received = await linesFrom((_, response) => {
          response.flushHeaders();
          const parts = at.slice(1).map((end, i) => bytes.subarray(at[i], end));
          const next = (): void => {
            const part = parts.shift();
            if (part === undefined) response.end();
            else response.write(part, () => setImmediate(next));
          };
          next();
        });
        expect(received).toEqual(sent.filter((line) => line !== ''));
      }),
      { numRuns: 40 },
    );
  });

  test('ends with its last line whether or not that line is ended', async () => {
    expect(await linesFrom((_, response) => void response.end('one\n\ntwo'))).toEqual(['one', 'two']);
  });

  test('with a line that does not end is cut off', async () => {
    await expect(linesFrom((_, response) => sendWithoutEnd(response))).rejects.toThrow('more than 8388608 bytes in one line');
  });

  test('may be longer than an answer, as long as each of its lines is not', async () => {
    const line = 'x'.repeat(1_024 * 1_024);
    expect(await linesFrom((_, response) => void response.end(`${line}\n`.repeat(10)))).toHaveLength(10);
  });

  test('that its reader leaves is closed', async () => {
    let closed = (): void => undefined;
    const serverSawIt = new Promise<void>((resolve) => (closed = resolve));
    await using server = await ScriptedServer.start((_, response) => {
      response.on('close', closed);
      response.write('first\nsecond\n');
    });
    for await (const line of (await openLines(callTo(server))).lines) {
      expect(line).toBe('first');
      break;
    }
    await serverSawIt;
  });

  test('that breaks off throws where it broke off, after the lines that came', async () => {
    await using server = await ScriptedServer.start((_, response) => response.write('first\nsec', () => setImmediate(() => response.socket?.destroy())));
    const { lines } = await openLines(callTo(server));
    expect(await lines.next()).toEqual({ done: false, value: 'first' });
    await expect(lines.next()).rejects.toThrow('in the middle of the answer: the connection was closed by the other side');
  });

  test('that falls silent is given up', async () => {
    await using server = await ScriptedServer.start((_, response) => void response.write('first\n'));
    const { lines } = await openLines(callTo(server, { silenceMsMax: 100 }));
    await lines.next();
    await expect(lines.next()).rejects.toThrow('silence for 100 ms');
  });

  test('of a refusal can be read as one text', async () => {
    await using server = await ScriptedServer.start((_, response) => void response.writeHead(403).end('one\ntwo'));
    const call = callTo(server);
    const { status, lines } = await openLines(call);
    expect([status, await textOf(call, lines)]).toEqual([403, 'one\ntwo\n']);
  });
});

test('a redirection is not followed, so that no credential goes where it was not meant to', async () => {
  await using elsewhere = await ScriptedServer.start((_, response) => void response.end('{}'));
  await using server = await ScriptedServer.start((_, response) => void response.writeHead(302, { location: elsewhere.url }).end());
  expect((await callHttp(callTo(server, { headers: { authorization: 'Bearer x' } }))).status).toBe(302);
  expect(elsewhere.asked).toEqual([]);
});

test('a message holds neither the query of the address nor control characters of the answer', async () => {
  await using server = await ScriptedServer.start(() => undefined);
  const call = callTo(server, { url: new URL(`${server.url}/path?secret=1`) });
  expect(refused(call, 500, 'bad\u001b[31m\nnews').message).toBe(`registry: GET ${server.url}/path was answered with status 500: "bad\\u{1b}[31m\\u{a}news"`);
  expect(() => parseJson(call, 'x'.repeat(1_000))).toThrow(/1000 characters that are not JSON: "x{40}"… \(1000 characters\)$/);
});

test('no secret is left in a text, however often it stands there', () => {
  fc.assert(
    fc.property(fc.array(fc.string()), fc.string({ minLength: 4 }).filter((secret) => !secret.includes('*')), (parts, secret) => {
      expect(withoutSecrets(parts.join(secret), [secret])).not.toContain(secret);
    }),
    { numRuns: 300 },
  );
});

test('an error of the network is told with its code, and a certificate that is none with what to check', async () => {
  await using server = await ScriptedServer.start((_, response) => void response.end());
  const error: unknown = await callHttp(callTo(server, { url: new URL(`https://127.0.0.1:${server.port}/`) })).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(EngramError);
  expect((error as EngramError).hint).toContain('both sides mean the same of http and https');
});
