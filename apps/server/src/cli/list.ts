import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { print, type Cli } from './cli.js';
import { readCount, withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import { oneLine, renderTable, widthLeft } from './tables.js';

interface ListOptions extends RemoteOptions {
  readonly space?: string;
  readonly tag?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

export function listCommand(program: Command, cli: Cli): void {
  withRemoteOptions(program.command('list'))
    .description('list the memories of a space, a page at a time')
    .option('-s, --space <space>', 'which space (default: default)')
    .option('-t, --tag <tag>', 'only memories with this tag')
    .option('-n, --limit <count>', 'at most this many (default: 100)', readCount)
    .option('--cursor <cursor>', 'where the page before ended')
    .action((options: ListOptions) => withClient(cli, options, (client) => list(cli, client, options)));
}

export async function list(cli: Cli, client: ApiClient, options: ListOptions): Promise<void> {
  const { memories, next } = await client.list(options);
  if (options.json === true) return print(cli.stdout, JSON.stringify({ memories, ...(next === undefined ? {} : { next }) }));
  if (memories.length === 0) return print(cli.stdout, 'no memories');
  const rows = memories.map(({ id, when, tags, content }) => {
    const cells = [id, when.slice(0, 16).replace('T', ' '), oneLine(tags.join(', '), 30)];
    return [...cells, oneLine(content, widthLeft(cli, cells.reduce((width, cell) => width + cell.length + 3, 6)))];
  });
  print(cli.stdout, renderTable(['id', 'when', 'tags', 'content'], rows));
  if (next !== undefined) print(cli.stdout, `more: --cursor ${next}`);
}
