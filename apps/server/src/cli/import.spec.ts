/** What import does when the node has no room: against a node that is told how to behave. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { run, type FakeCliOptions, type Ran } from './fake-cli.js';

type Answer = (lines: readonly { content: string; id: string }[], response: ServerResponse) => void;

let server: Server | undefined;
afterEach(async () => {
  const closing = server;
  server = undefined;
  if (closing !== undefined) await new Promise((resolve) => (closing.close(resolve), closing.closeAllConnections()));
});

/** Imports `stdin` into a node that gives one answer after the other to its batches. */
async function importInto(answers: Answer[], stdin: string, options: FakeCliOptions = {}): Promise<Ran & { readonly batches: string[][] }> {
  const batches: string[][] = [];
  const listening = createServer((request, response) => void answer(request, response));
  server = listening;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    let body = '';
    for await (const piece of request) body += String(piece);
    if (request.url === '/api/v1/system/status') return void response.end('{}');
    const lines = body.split('\n').filter(Boolean).map((line) => JSON.parse(line) as { content: string; id: string });
    batches.push(lines.map(({ content }) => content));
    answers.shift()!(lines, response);
  };
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`;
  return { ...(await run(['import', '-', '--url', url], { ...options, stdin })), batches };
}

const drafts = (...contents: string[]) => contents.map((content) => `${JSON.stringify({ content })}\n`).join('');
const storeAll: Answer = (lines, response) => response.end(lines.map((_, i) => `{"line":${i + 1},"outcome":"stored"}\n`).join(''));
const refuse = (status: number, code: string, extra: object = {}): Answer => (_lines, response) =>
  void response.writeHead(status).end(JSON.stringify({ error: { code, message: `${code}!`, hint: 'wait', retryable: true, ...extra } }));

test('a node that is overloaded is asked again, after the time it named or after a growing one', async () => {
  let pauses: readonly number[] = [];
  const answers = [refuse(429, 'overloaded', { retry_after_ms: 7 }), refuse(503, 'not_ready'), refuse(503, 'not_ready'), storeAll];
  const { code, out, batches } = await importInto(answers, drafts('a', 'b'), { onStart: (cli) => (pauses = cli.pauses) });
  expect([code, out]).toEqual([0, '2 lines: 2 stored, 0 stored before, 0 failed\n']);
  expect(batches).toEqual([['a', 'b'], ['a', 'b'], ['a', 'b'], ['a', 'b']]);
  expect(pauses[0]).toBe(7);
  expect(pauses[1]).toBeGreaterThanOrEqual(300);
  expect(pauses[2]).toBeGreaterThanOrEqual(600);
  expect(pauses).toHaveLength(3);
});

test('a node that stays overloaded is given up in the end', async () => {
  const { code, err, batches } = await importInto(Array.from({ length: 11 }, () => refuse(429, 'overloaded')), drafts('a'));
  expect([code, batches.length]).toEqual([1, 11]);
  expect(err).toMatch(/^stopped after 1 lines: 0 stored, .*\nerror: overloaded!\nhint: wait\n$/);
});

test('only the lines that were refused for now are sent again', async () => {
  const someRefused: Answer = (_lines, response) =>
    response.end('{"line":1,"outcome":"stored"}\n{"line":2,"outcome":"refused","error":{"code":"overloaded","message":"full","retryable":true}}\n{"line":3,"outcome":"already_stored"}\n');
  const { code, out, batches } = await importInto([someRefused, storeAll], drafts('a', 'b', 'c'));
  expect([code, out]).toEqual([0, '3 lines: 2 stored, 1 stored before, 0 failed\n']);
  expect(batches).toEqual([['a', 'b', 'c'], ['b']]);
});

test('a refusal that waiting does not cure stops the import and says how far it came', async () => {
  const { code, out, err, batches } = await importInto([refuse(507, 'capacity_exhausted', { retryable: false })], drafts('a'));
  expect([code, out]).toEqual([1, '']);
  expect(err).toBe('stopped after 1 lines: 0 stored, 0 stored before, 0 failed; import the file again to go on\nerror: capacity_exhausted!\nhint: wait\n');
  expect(batches).toEqual([['a']]);
});

test('a file of any length is sent in bounded chunks', async () => {
  const { batches, out } = await importInto([storeAll, storeAll, storeAll], drafts(...Array.from({ length: 1_100 }, (_, i) => String(i))));
  expect(batches.map(({ length }) => length)).toEqual([512, 512, 76]);
  expect(out).toBe('1100 lines: 1100 stored, 0 stored before, 0 failed\n');
});

test('progress without a terminal is a line now and then', async () => {
  const slow: Answer = (lines, response) => (clock.advance(6_000), storeAll(lines, response));
  const clock = { advance: (_ms: number): void => {} };
  const { err } = await importInto([slow, slow], drafts(...Array.from({ length: 600 }, (_, i) => String(i))), {
    onStart: (cli) => (clock.advance = (ms) => cli.advance(ms)),
  });
  expect(err).toMatch(/^importing: \d+\.\d KiB, 512 lines: 512 stored, 0 stored before, 0 failed\nimporting: \d+\.\d KiB, 600 lines: 600 stored, 0 stored before, 0 failed\n$/);
});

test('an interruption stops where it is, and the shell is told', async () => {
  let interrupt = (): void => {};
  const interrupted: Answer = () => interrupt();
  const { code, err, batches } = await importInto([storeAll, interrupted], drafts(...Array.from({ length: 1_100 }, (_, i) => String(i))), {
    onStart: (cli) => (interrupt = () => cli.interrupt()),
  });
  expect(code).toBe(130);
  expect(batches).toHaveLength(2);
  expect(err).toBe('stopped after 1024 lines: 512 stored, 0 stored before, 0 failed; import the file again to go on\ninterrupted\n');
});
