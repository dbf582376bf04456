import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { finished } from 'node:stream/promises';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { print, printLine, type Cli } from './cli.js';
import { Progress } from './progress.js';
import { withClient, withRemoteOptions, type RemoteOptions } from './remote.js';

interface ExportOptions extends RemoteOptions {
  readonly space?: string;
  readonly output?: string;
}

/** Memories per page. A page of the longest memories must still fit into memory. */
const pageSize = 250;

export function exportCommand(program: Command, cli: Cli): void {
  withRemoteOptions(program.command('export'))
    .description('write memories as JSON Lines, one memory per line, in the order of ids')
    .option('-s, --space <space>', 'only this space (default: all)')
    .option('-o, --output <file>', 'write to this file, which appears once it is complete (default: standard output)')
    .action((options: ExportOptions) => withClient(cli, options, (client) => exportMemories(cli, client, options)));
}

export async function exportMemories(cli: Cli, client: ApiClient, { space, output, json }: ExportOptions): Promise<void> {
  const all = await client.spaces();
  const chosen = space === undefined ? all : [all.find((summary) => summary.space === space) ?? { space, memories: 0 }];
  const total = chosen.reduce((sum, { memories }) => sum + memories, 0);
  const progress = new Progress(cli, { label: 'exporting', total, format: String });
  const sink = output === undefined ? standardOutput(cli) : fileSink(output);
  let written = 0;
  try {
    for (const { space: name } of chosen) {
      for await (const memory of memoriesOf(client, name)) {
        await sink.line(JSON.stringify(memory));
        progress.update(++written, `${written} memories`);
        cli.interrupted.throwIfAborted();
      }
    }
    await sink.complete();
  } catch (error) {
    await sink.abandon();
    throw error;
  } finally {
    progress.stop();
  }
  const summary = { memories: written, spaces: chosen.length };
  print(cli.stderr, json === true ? JSON.stringify(summary) : `exported ${written} memories of ${chosen.length} ${chosen.length === 1 ? 'space' : 'spaces'}`);
}

async function* memoriesOf(client: ApiClient, space: string): AsyncGenerator<object> {
  for (let cursor: string | undefined; ; ) {
    const { memories, next } = await client.list({ space, limit: pageSize, cursor, embedding: true });
    yield* memories;
    if (next === undefined) return;
    cursor = next;
  }
}

interface Sink {
  line(text: string): Promise<void>;
  complete(): Promise<void>;
  abandon(): Promise<void>;
}

function standardOutput(cli: Cli): Sink {
  return { line: (text) => printLine(cli.stdout, text), complete: async () => {}, abandon: async () => {} };
}

/** Half an export must not be taken for a whole one, so the file gets its name last. */
function fileSink(path: string): Sink {
  const partial = `${path}.partial`;
  const stream = createWriteStream(partial);
  const failure = new Promise<never>((_resolve, reject) => stream.once('error', reject));
  failure.catch(() => {});
  return {
    line: async (text) => {
      if (!stream.write(`${text}\n`)) await Promise.race([once(stream, 'drain'), failure]);
    },
    complete: async () => {
      stream.end();
      await finished(stream);
      await rename(partial, path);
    },
    abandon: async () => {
      stream.destroy();
      await rm(partial, { force: true });
    },
  };
}
