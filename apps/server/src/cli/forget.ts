import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { print, type Cli } from './cli.js';
import { withClient, withRemoteOptions, type RemoteOptions } from './remote.js';

interface ForgetOptions extends RemoteOptions {
  readonly space?: string;
}

export function forgetCommand(program: Command, cli: Cli): void {
  withRemoteOptions(program.command('forget'))
    .description('forget memories for good; their ids are never used again')
    .argument('<id...>', 'which memories')
    .option('-s, --space <space>', 'where they are (default: default)')
    .action((ids: string[], options: ForgetOptions) => withClient(cli, options, (client) => forget(cli, client, ids, options)));
}

/** Forgets one after the other and stops at the first that cannot be; forgetting again is harmless. */
export async function forget(cli: Cli, client: ApiClient, ids: readonly string[], { space, json }: ForgetOptions): Promise<void> {
  for (const id of ids) {
    await client.forget(id, space);
    print(cli.stdout, json === true ? JSON.stringify({ id, forgotten: true }) : `forgot ${id}`);
  }
}
