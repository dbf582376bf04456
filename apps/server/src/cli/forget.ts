import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { exitCodes, print, type Cli } from './cli.js';
import { reportFailure } from './failures.js';
import { withClient, withRemoteOptions, type RemoteOptions } from './remote.js';

interface ForgetOptions extends RemoteOptions {
  readonly space?: string;
}

export function forgetCommand(program: Command, cli: Cli, exit: (code: number) => void): void {
  withRemoteOptions(program.command('forget'))
    .description('forget memories for good; their ids are never used again')
    .argument('<id...>', 'which memories')
    .option('-s, --space <space>', 'where they are (default: default)')
    .action((ids: string[], options: ForgetOptions) => withClient(cli, options, async (client) => exit(await forget(cli, client, ids, options))));
}

/** Forgets one after the other; one that cannot be is told and stops no other. Forgetting again is harmless. @returns the exit code */
export async function forget(cli: Cli, client: ApiClient, ids: readonly string[], { space, json }: ForgetOptions): Promise<number> {
  let code: number = exitCodes.ok;
  for (const id of ids) {
    try {
      await client.forget(id, space);
      print(cli.stdout, json === true ? JSON.stringify({ id, forgotten: true }) : `forgot ${id}`);
    } catch (error) {
      code = reportFailure(cli, error, json === true);
    }
  }
  return code;
}
