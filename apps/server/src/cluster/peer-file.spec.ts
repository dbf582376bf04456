import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { PeerFile, peersMax, withKnownPeers } from './peer-file.js';

let directory: string;
let warned: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'engram-peer-file-'));
  warned = [];
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const path = () => join(directory, 'swim-peers.json');
function fileHere(): PeerFile {
  const note = (_details: object, message: string): void => void warned.push(message);
  return new PeerFile(directory, { info: note, warn: note, error: note });
}

test('what was kept is read again, and nothing else lies beside it', async () => {
  const file = fileHere();
  expect(await file.read()).toEqual([]);
  file.keep(['b:2', '[::1]:3', 'a:1']);
  file.keep(['b:2', 'a:1']);
  await file.flush();
  expect(await fileHere().read()).toEqual(['a:1', 'b:2']);
  expect([await readdir(directory), warned]).toEqual([['swim-peers.json'], []]);
});

test('nobody at all is not written over somebody', async () => {
  const file = fileHere();
  file.keep(['a:1']);
  file.keep([]);
  await file.flush();
  expect(await fileHere().read()).toEqual(['a:1']);
});

test('more than the bound are cut, those named first being kept', async () => {
  const file = fileHere();
  file.keep(Array.from({ length: 100 }, (_, i) => `n${i}:1`));
  await file.flush();
  const read = await fileHere().read();
  expect(read).toHaveLength(peersMax);
  expect(read).toContain(`n${peersMax - 1}:1`);
});

test.each(['', '{"format":1,', 'null', '[]', '{"format":2,"peers":["a:1"]}', '{"format":1,"peers":"a:1"}'])('a file that holds %j stops nobody, is told, and is written anew', async (text) => {
  await writeFile(path(), text);
  const file = fileHere();
  expect(await file.read()).toEqual([]);
  expect(warned).toEqual([expect.stringContaining(path())]);
  file.keep(['a:1']);
  await file.flush();
  expect(await fileHere().read()).toEqual(['a:1']);
});

test('what is no address is left out', async () => {
  await writeFile(path(), '{"format":1,"peers":["a:1",7,"here",null,"b:99999"]}');
  expect(await fileHere().read()).toEqual(['a:1']);
});

test('a directory that cannot be written is told and stops nobody', async () => {
  const file = fileHere();
  await rm(directory, { recursive: true });
  file.keep(['a:1']);
  await file.flush();
  expect(warned).toEqual([expect.stringContaining('cannot be written')]);
});

test('what has not changed is not written again', async () => {
  await writeFile(path(), '{"format":1,"peers":["a:1","b:2"]}\n');
  const file = fileHere();
  await file.read();
  await rm(path());
  file.keep(['b:2', 'a:1']);
  await file.flush();
  await expect(readFile(path())).rejects.toThrow('ENOENT');
});

describe('seeds with those known before', () => {
  async function all(sets: AsyncIterable<readonly string[]>): Promise<(readonly string[])[]> {
    const seen = [];
    for await (const set of sets) seen.push(set);
    return seen;
  }

  async function* saying(...sets: readonly string[][]): AsyncGenerator<readonly string[]> {
    yield* sets;
  }

  test('are what discovery says, and they, each once', async () => {
    const sets = await all(withKnownPeers(['a:1', 'b:2'], saying(['c:3', 'a:1'], []), 60_000));
    expect(sets).toEqual([['c:3', 'a:1', 'b:2'], ['a:1', 'b:2']]);
  });

  test('are they alone when there is no discovery', async () => {
    expect(await all(withKnownPeers(['a:1'], undefined, 60_000))).toEqual([['a:1']]);
  });

  test('are they alone at first while discovery says nothing', async () => {
    let say: () => void = () => undefined;
    const said = new Promise<void>((resolve) => (say = resolve));
    async function* late(): AsyncGenerator<readonly string[]> {
      await said;
      yield ['c:3'];
    }
    const seeds = withKnownPeers(['a:1'], late(), 1);
    expect(await seeds.next()).toEqual({ done: false, value: ['a:1'] });
    say();
    expect(await seeds.next()).toEqual({ done: false, value: ['c:3', 'a:1'] });
    expect(await seeds.next()).toMatchObject({ done: true });
  });
});
