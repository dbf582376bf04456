import { EngramError } from '@engram/kernel';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { coloured, print, type Cli } from './cli.js';
import { withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import { renderTable } from './tables.js';
import type { ClusterMember, ClusterMembers } from './wire-types.js';

interface MembersOptions extends RemoteOptions {
  readonly watch?: boolean;
}

/** How often `--watch` asks again. */
const watchEveryMs = 1_000;

export function membersCommand(program: Command, cli: Cli): void {
  withRemoteOptions(program.command('members'))
    .description('list the nodes of the cluster as one of them sees it')
    .option('--watch', `ask again every ${watchEveryMs / 1_000} s until interrupted`)
    .action((options: MembersOptions) => withClient(cli, options, (client) => members(cli, client, options)));
}

export async function members(cli: Cli, client: ApiClient, options: MembersOptions): Promise<void> {
  let before: string | undefined;
  for (;;) {
    const shown = await answerOf(cli, client, options);
    // Where nobody can see the screen being wiped, only what is new is worth another table.
    if (cli.stdout.isTTY === true && options.watch === true) print(cli.stdout, `\u001b[2J\u001b[H${shown}`);
    else if (shown !== before) print(cli.stdout, shown);
    before = shown;
    if (options.watch !== true) return;
    await cli.pause(watchEveryMs, cli.interrupted);
    if (cli.interrupted.aborted) return;
  }
}

async function answerOf(cli: Cli, client: ApiClient, { json, watch }: MembersOptions): Promise<string> {
  try {
    const found = await client.members();
    return json === true ? JSON.stringify(found) : renderMembers(cli, found);
  } catch (error) {
    // While watching, a node that is away is something to see, not a reason to stop looking.
    if (watch !== true || !(error instanceof EngramError)) throw error;
    return json === true ? JSON.stringify({ error: { code: error.code, message: error.message } }) : `unreachable: ${error.message}`;
  }
}

function renderMembers(cli: Cli, { mode, cluster, members: found }: ClusterMembers): string {
  const rows = found.map((member) => [
    `${member.id}${member.self ? ' (this node)' : ''}`,
    stateWord(cli, member.state),
    member.address ?? '-',
    member.http ?? '-',
    member.version ?? '-',
    member.changed_at,
  ]);
  const title = mode === 'single' ? 'this node runs alone' : `cluster ${cluster ?? ''}`.trimEnd();
  return `${title}\n${renderTable(['node', 'state', 'swim', 'http', 'version', 'since'], rows)}`;
}

function stateWord(cli: Cli, state: ClusterMember['state']): string {
  if (!coloured(cli.stdout, cli.env)) return state;
  const colour = { alive: 32, suspect: 33, dead: 31, left: 90 }[state];
  return `\u001b[${colour}m${state}\u001b[39m`;
}
