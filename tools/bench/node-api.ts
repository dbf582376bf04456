/** The few requests of the API that figures need besides the load. */
import { Readable } from 'node:stream';
import { request } from 'undici';

/** How many memories a space holds; 0 when there is no such space. */
export async function countMemories(url: string, space: string): Promise<number> {
  const { statusCode, body } = await request(`${url}/api/v1/spaces/${space}`);
  const answer = (await body.json()) as { memories: number };
  if (statusCode === 404) return 0;
  if (statusCode !== 200) throw new Error(`the space ${space} answered ${statusCode}: ${JSON.stringify(answer)}`);
  return answer.memories;
}

/** What was answered must be there. @throws Error otherwise: the figure would be about something else. */
export async function expectMemories(url: string, space: string, expected: number): Promise<void> {
  const found = await countMemories(url, space);
  if (found !== expected) throw new Error(`${expected} memories were acknowledged in the space ${space}, but it holds ${found}: this run measured nothing`);
}

/** Stores lines of JSON in one streamed request and counts the results. @returns memories stored. */
export async function storeStreamed(url: string, lines: Iterable<Buffer>): Promise<number> {
  const { statusCode, body } = await request(`${url}/api/v1/memory/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: Readable.from(chunksOf(lines), { objectMode: false }),
  });
  if (statusCode !== 200) throw new Error(`the stream was answered ${statusCode}: ${await body.text()}`);
  let stored = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    if (chunk.includes('"refused"')) throw new Error(`a line was refused: ${chunk.toString().slice(0, 500)}`);
    for (let at = chunk.indexOf(0x0a); at !== -1; at = chunk.indexOf(0x0a, at + 1)) stored += 1;
  }
  return stored;
}

const CHUNK_BYTES = 65_536;

/** One write per line would measure the client. */
function* chunksOf(lines: Iterable<Buffer>): Generator<Buffer> {
  let gathered: Buffer[] = [];
  let bytes = 0;
  for (const line of lines) {
    gathered.push(line);
    bytes += line.length;
    if (bytes < CHUNK_BYTES) continue;
    yield Buffer.concat(gathered);
    gathered = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(gathered);
}
