import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { print, type Cli } from './cli.js';
import { withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import { readableBytes, renderTable } from './tables.js';

export function spacesCommand(program: Command, cli: Cli): void {
  withRemoteOptions(program.command('spaces'))
    .description('list the spaces with what they hold')
    .action((options: RemoteOptions) => withClient(cli, options, (client) => spaces(cli, client, options)));
}

export async function spaces(cli: Cli, client: ApiClient, options: RemoteOptions): Promise<void> {
  const found = await client.spaces();
  if (options.json === true) return print(cli.stdout, JSON.stringify({ spaces: found }));
  const rows = found.map(({ space, memories, forgotten, bytes, dimension, policy, primary }) => [
    space,
    String(memories),
    String(forgotten),
    readableBytes(bytes),
    dimension === undefined ? '-' : String(dimension),
    Object.entries(policy).map(([name, value]) => `${name}=${value}`).join(' ') || '-',
    primary,
  ]);
  print(cli.stdout, renderTable(['space', 'memories', 'forgotten', 'bytes', 'dimension', 'policy', 'primary'], rows));
}
