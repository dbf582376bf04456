import { setTimeout as pause } from 'node:timers/promises';
import { expectMemories, storeStreamed } from './node-api.js';
import { diskBytes, residentBytes, type ResidentBytes } from './process-facts.js';
import { storeBody, type World } from './world.js';

export const FILLED_SPACE = 'bench';

export interface FilledNode {
  readonly dataDirectory: string;
  readonly memories: number;
  /** Of the JSON objects that were sent, without line ends. */
  readonly jsonBytes: number;
  /** Of a node that was just started with an empty directory. */
  readonly residentEmpty: ResidentBytes;
  /** Right after the load, with what garbage it left. */
  readonly residentLoaded: ResidentBytes;
  /** After an orderly stop, so with everything in the store. */
  readonly storeDiskBytes: number;
  readonly logDiskBytes: number;
}

/** Stores the whole corpus through the API and stops the node in order. */
export async function fillNode(world: World): Promise<FilledNode> {
  const { corpus, sizes } = world;
  world.progress(`storing ${sizes.memories} memories`);
  const dataDirectory = world.directory();
  const server = await world.startNode(dataDirectory);
  await pause(1_000);
  const residentEmpty = residentBytes(server.pid);
  let jsonBytes = 0;
  const lines = function* (): Generator<Buffer> {
    for (let index = 0; index < sizes.memories; index += 1) {
      const body = storeBody(corpus, index, FILLED_SPACE);
      jsonBytes += body.length;
      yield Buffer.concat([body, Buffer.from('\n')]);
    }
  };
  const stored = await storeStreamed(server.url, lines());
  if (stored !== sizes.memories) throw new Error(`${stored} of ${sizes.memories} memories were answered as stored`);
  await expectMemories(server.url, FILLED_SPACE, sizes.memories);
  // Commits to the store are behind by a fraction of a second.
  await pause(1_000);
  const residentLoaded = residentBytes(server.pid);
  const code = await server.kill('SIGTERM');
  if (code !== 0) throw new Error(`the node did not stop in order (exit code ${code}):\n${server.output()}`);
  return {
    dataDirectory,
    memories: sizes.memories,
    jsonBytes,
    residentEmpty,
    residentLoaded,
    storeDiskBytes: diskBytes(`${dataDirectory}/store`),
    logDiskBytes: diskBytes(`${dataDirectory}/wal`),
  };
}
