import { Command } from 'commander';
import { version } from '../version.js';
import { exitCodes, type Cli } from './cli.js';
import { clusterCommand } from './cluster.js';
import { configCommand } from './config.js';
import { exportCommand } from './export.js';
import { reportFailure } from './failures.js';
import { forgetCommand } from './forget.js';
import { importCommand } from './import.js';
import { listCommand } from './list.js';
import { membersCommand } from './members.js';
import { recallCommand } from './recall.js';
import { spacesCommand } from './spaces.js';
import { startCommand, type Host } from './start.js';
import { statusCommand } from './status.js';
import { storeCommand } from './store.js';
import { walSalvageCommand } from './wal-salvage.js';

/** Runs the command line `engram <argv>` and returns its exit code. Never throws. */
export async function runCli(argv: readonly string[], cli: Cli, host: Host): Promise<number> {
  let code: number = exitCodes.ok;
  const program = buildProgram(cli, host, (chosen) => (code = chosen));
  try {
    await program.parseAsync(argv, { from: 'user' });
    return code;
  } catch (error) {
    return reportFailure(cli, error, argv.includes('--json'));
  }
}

export function buildProgram(cli: Cli, host: Host, exit: (code: number) => void): Command {
  const program = new Command('engram');
  program
    .description('A memory that keeps what it is told: store, recall, forget.')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ helpWidth: 100 })
    .showSuggestionAfterError(true)
    .configureOutput({
      writeOut: (text) => void cli.stdout.write(text),
      // Complaints are thrown as well, and told once, in our words. What is left is the help of a command called without any.
      writeErr: (text) => void (text.startsWith('Usage:') && cli.stderr.write(text)),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride();
  startCommand(program, cli, exit, host);
  statusCommand(program, cli, exit);
  storeCommand(program, cli);
  recallCommand(program, cli);
  listCommand(program, cli);
  forgetCommand(program, cli, exit);
  spacesCommand(program, cli);
  membersCommand(program, cli);
  clusterCommand(program, cli, exit);
  importCommand(program, cli, exit);
  exportCommand(program, cli);
  configCommand(program, cli, exit);
  walSalvageCommand(program, cli);
  program.addHelpText('after', '\nExit codes: 0 done, 1 failed, 2 called wrongly; `engram status`: 0 healthy, 1 failed or unreachable, 3 degraded, 4 no quorum.');
  return program;
}
