/** Three real nodes on loopback that keep copies of everything: what is left when one is killed or stopped, or all are. */
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { CopiedSpace, type Answer } from '../harness/copied-space.js';

const limitMs = 60_000;
let copies: CopiedSpace;

beforeAll(async () => {
  copies = await CopiedSpace.start('copied');
});
afterAll(() => copies?.close());
/** Whatever became of the test before. */
beforeEach(() => copies.settle());

const seconds = (ms: number): string => `${(ms / 1_000).toFixed(2)} s`;

test('a memory stored through any node is on a majority of copies, and read back through every node', async () => {
  for (const node of copies.nodes) {
    const { answer } = await copies.store([node], `through ${node.name}`);
    expect(answer.body.durability).toMatchObject({ requested: 'quorum', reached: expect.stringMatching(/^(quorum|all)$/) as string });
    expect(answer.body.durability!.copies).toBeGreaterThanOrEqual(2);
    for (const reader of copies.nodes) expect(await copies.ask(reader, 'GET', `/api/v1/memory/${answer.body.id}?space=${copies.space}`)).toMatchObject({ status: 200, body: { content: `through ${node.name}` } });
  }
  await copies.whenHeldBy(copies.nodes);
});

test('the primary of a space is killed: the others take its writes and miss nothing; back again it has everything', async () => {
  for (let at = 0; at < 50; at += 1) await copies.store(copies.nodes, `before the kill ${at}`);
  const killed = await copies.primary();
  const others = copies.others(killed);
  await killed.process.kill('SIGKILL');
  const { tookMs } = await copies.store(others, 'after the kill');
  console.log(`SIGKILL of a primary to the next write taken: ${seconds(tookMs)}`);
  await copies.whenHeldBy(others);
  for (let at = 0; at < 20; at += 1) await copies.store(others, `while it was away ${at}`);
  await copies.start(killed);
  await copies.whenHeldBy(copies.nodes);
});

test('a primary that is stopped in order hands over', async () => {
  const stopped = await copies.primary();
  const others = copies.others(stopped);
  const stopping = stopped.process.kill('SIGTERM');
  const { tookMs } = await copies.store(others, 'after the goodbye');
  console.log(`SIGTERM of a primary to the next write taken: ${seconds(tookMs)}`);
  expect(await stopping).toBe(0);
  expect(await copies.primary()).not.toBe(stopped);
  await copies.whenHeldBy(others);
  await copies.start(stopped);
  await copies.whenHeldBy(copies.nodes);
});

test('ack=all with a node away is answered as neither done nor refused; repeated with its key it is there once', async () => {
  const leading = await copies.primary();
  const [victim, asked] = copies.others(leading);
  await victim!.process.kill('SIGKILL');
  const repeat = (): Promise<Answer> => copies.ask(asked!, 'POST', '/api/v1/memory?ack=all', { content: 'on all of them', memory_space: copies.space }, { 'idempotency-key': 'on all of them' });
  // Where a primary's place is on its way to another node, a request may be refused with nothing done.
  const answered = async (): Promise<Answer> => {
    for (const began = performance.now(); ; await pause(100)) {
      const answer = await repeat();
      if (answer.status !== 503) return answer;
      if (performance.now() - began > limitMs) throw new Error(`still refused after ${limitMs} ms: ${JSON.stringify(answer)}\n${copies.logs()}`);
    }
  };
  expect(await answered()).toMatchObject({ status: 504, body: { error: { code: 'deadline_exceeded', indeterminate: true, hint: expect.stringContaining('Idempotency-Key') as string } } });
  await copies.start(victim!);
  await expect.poll(async () => (await repeat()).body.durability, { timeout: limitMs }).toEqual(expect.objectContaining({ requested: 'all', reached: 'all', copies: 3 }));
  const { body } = await repeat();
  copies.acknowledged.set(body.id!, 'on all of them');
  await copies.whenHeldBy(copies.nodes);
});

test('all three are stopped and started again and hold everything', async () => {
  expect(await Promise.all(copies.nodes.map(({ process }) => process.kill('SIGTERM')))).toEqual([0, 0, 0]);
  await Promise.all(copies.nodes.map((node) => copies.start(node)));
  await copies.store(copies.nodes, 'after all were away');
  await copies.whenHeldBy(copies.nodes);
});
