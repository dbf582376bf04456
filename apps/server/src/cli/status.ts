import { EngramError } from '@engram/kernel';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { exitCodes, print, type Cli } from './cli.js';
import { withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import { healthWord, readableBytes, readableDuration, renderTable } from './tables.js';
import type { SystemStatus } from './wire-types.js';

interface StatusOptions extends RemoteOptions {
  readonly watch?: boolean;
}

/** How often `--watch` asks again. */
const watchEveryMs = 2_000;

export function statusCommand(program: Command, cli: Cli, exit: (code: number) => void): void {
  withRemoteOptions(program.command('status'))
    .description('show how the node is and how many others it sees; exits 0 healthy, 1 failed or unreachable, 3 degraded, 4 no quorum')
    .option('--watch', `ask again every ${watchEveryMs / 1_000} s until interrupted`)
    .action((options: StatusOptions) => withClient(cli, options, async (client) => exit(await status(cli, client, options))));
}

/** Returns the exit code of the last answer. */
export async function status(cli: Cli, client: ApiClient, options: StatusOptions): Promise<number> {
  for (;;) {
    const code = await showOnce(cli, client, options);
    if (options.watch !== true) return code;
    await cli.pause(watchEveryMs, cli.interrupted);
    if (cli.interrupted.aborted) return code;
  }
}

async function showOnce(cli: Cli, client: ApiClient, { json, watch }: StatusOptions): Promise<number> {
  let shown: SystemStatus;
  try {
    shown = await client.status();
  } catch (error) {
    // While watching, a node that is away is something to see, not a reason to stop looking.
    if (json === true && error instanceof EngramError) {
      print(cli.stdout, JSON.stringify({ status: 'unreachable', url: client.url, error: { code: error.code, message: error.message, hint: error.hint } }));
      return exitCodes.failed;
    }
    if (watch !== true || !(error instanceof EngramError)) throw error;
    print(cli.stdout, `unreachable: ${error.message}`);
    return exitCodes.failed;
  }
  if (json === true) print(cli.stdout, JSON.stringify(shown));
  else print(cli.stdout, `${watch === true && cli.stdout.isTTY === true ? '\u001b[2J\u001b[H' : ''}${renderStatus(cli, shown)}`);
  return exitCodeOf(shown);
}

function renderStatus(cli: Cli, shown: SystemStatus): string {
  const { node, version, uptime_ms, status, memories, spaces, log, data_bytes, peers, reasons } = shown;
  const durability = log.state === 'accepting' ? 'local, 1 copy' : 'no new writes';
  return [
    renderTable(
      ['node', 'version', 'uptime', 'health', 'memories', 'spaces', 'log', 'durability', 'bytes'],
      [[node, version, readableDuration(uptime_ms), healthWord(cli, status), String(memories), String(spaces), log.state, durability, readableBytes(data_bytes)]],
    ),
    ...reasons.map((reason) => `because: ${reason}`),
    `alive: ${peers.alive}`,
    `suspect: ${peers.suspect}`,
    // Gone is gone for whoever watches this line; which of them said goodbye is told by `engram members`.
    `dead: ${peers.dead + peers.left}`,
  ].join('\n');
}

/**
 * Container health checks depend on these (docs: exit codes of `engram status`), so they tell of this node alone: a peer
 * that died must not make a supervisor restart the others.
 */
function exitCodeOf({ status }: SystemStatus): number {
  switch (status) {
    case 'healthy':
      return exitCodes.ok;
    case 'degraded':
      return exitCodes.degraded;
    case 'no_quorum':
      return exitCodes.noQuorum;
    default:
      return exitCodes.failed;
  }
}
