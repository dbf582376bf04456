import { Command, CommanderError, Option } from 'commander';
import { availableParallelism } from 'node:os';
import { EngramError } from '@engram/kernel';
import { flaws } from '../flaws/index.js';
import { scenarios } from '../scenarios/index.js';
import { version } from '../version.js';
import { work, workerCommand } from '../worker-pool.js';
import { exitCodes, print, type Cli } from './cli.js';
import { figures, type FiguresOptions } from './figures.js';
import { replay, run, type RunOptions, type ShowOptions } from './run.js';
import { shrinkFile, type ShrinkCommandOptions } from './shrink.js';
import { sweep, type SweepOptions } from './sweep.js';
import { parseCount, parseMinutes, parseNames, parsePreset, parseSeed, parseSeeds, parseShare } from './values.js';

const nodesMax = 1_000;
const jobsMax = 256;
const attemptsMax = 100_000;

/** Runs one command line; resolves with what the shell shall be told. Undefined: a worker, which ends with its parent. */
export async function runCli(argv: readonly string[], cli: Cli): Promise<number | undefined> {
  let code: number | undefined = exitCodes.passed;
  const program = programFor(cli, (result) => { code = result; });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.passed : exitCodes.usage;
    if (error instanceof EngramError && error.code !== 'assertion_failed') {
      print(cli.stderr, `error: ${error.message}`);
      if (error.hint) print(cli.stderr, error.hint);
      return exitCodes.usage;
    }
    throw error;
  }
}

function programFor(cli: Cli, done: (code: number | undefined) => void): Command {
  const program = new Command('netsim')
    .description('Runs membership in a simulated world under named faults, checks what must hold, and replays any run from its seed.')
    .version(version)
    .exitOverride()
    .configureOutput({ writeOut: (text) => cli.stdout.write(text), writeErr: (text) => cli.stderr.write(text) })
    .showHelpAfterError('(netsim --help lists the commands, netsim scenarios the scenarios)')
    .addHelpText('after', '\nExit codes: 0 passed, 1 a violation or another replay, 2 void (too little happened to show anything), 64 a bad command line or file.');
  program
    .command('run')
    .description('run one scenario with one seed')
    .requiredOption('--scenario <name>', 'which; `netsim scenarios` lists them')
    .requiredOption('--seed <number>', 'what everything follows from', parseSeed)
    .option('--nodes <count>', 'instead of those of the scenario', parseCount(nodesMax))
    .option('--preset <name>', 'fast, lan or wan; times of faults stretch with it', parsePreset)
    .option('--loss <share>', 'of the datagrams on every link, from 0 to 1', parseShare)
    .option('--no-lifeguard', 'local health, shrinking suspicions and stall detection off')
    .option('--flaw <name>', 'plant a bug, to see that it is found; `netsim scenarios` lists them')
    .option('--transcript', 'print what happened, line by line')
    .option('--save <file>', 'write the run for `netsim replay`')
    .option('--report <file>', 'draw the run as a page of HTML')
    .action((options: RunOptions) => done(run(cli, options)));
  program
    .command('sweep')
    .description('run scenarios with many seeds')
    .requiredOption('--scenario <name>', 'which, or all')
    .requiredOption('--seeds <a..b>', 'from the first to the last', parseSeeds)
    .option('--jobs <count>', 'processes at one time', parseCount(jobsMax), availableParallelism())
    .option('--nodes <count>', 'instead of those of the scenario', parseCount(nodesMax))
    .option('--preset <name>', 'fast, lan or wan', parsePreset)
    .option('--no-lifeguard', 'local health, shrinking suspicions and stall detection off')
    .action(async (options: SweepOptions) => done(await sweep(cli, options)));
  program
    .command('replay <file>')
    .description('run what `netsim run --save` has written, and compare the trace hash')
    .option('--transcript', 'print what happened, line by line')
    .option('--report <file>', 'draw the run as a page of HTML')
    .action((file: string, options: ShowOptions) => done(replay(cli, file, options)));
  program
    .command('shrink <file>')
    .description('look for a smaller run that fails the same way, and write it for `netsim replay`')
    .option('--checker <name>', 'which shall go on failing; the first that does when not given')
    .option('--attempts <count>', 'runs at most', parseCount(attemptsMax), 300)
    .option('--out <file>', 'instead of <file>.min.json')
    .action((file: string, options: ShrinkCommandOptions) => done(shrinkFile(cli, file, options)));
  program
    .command('figures')
    .description('measure what membership has to reach, and print it beside the aims')
    .addOption(new Option('--seeds <a..b>', 'of small clusters; large ones take the first few of them').argParser(parseSeeds).default({ from: 1, to: 40 }, '1..40'))
    .option('--jobs <count>', 'processes at one time', parseCount(jobsMax), availableParallelism())
    .option('--rows <names>', 'only these, comma-separated: a name, or a part of several', parseNames)
    .option('--budget-minutes <minutes>', 'start no run after so long; 0 shows what the file has', parseMinutes)
    .option('--out <file>', 'write each run at once, and go on where the file ends (JSON lines)')
    .action(async (options: FiguresOptions) => done(await figures(cli, options)));
  program
    .command('scenarios')
    .description('list the scenarios, and the flaws that can be planted')
    .action(() => listScenarios(cli));
  program
    .command(workerCommand, { hidden: true })
    .action(() => {
      work();
      done(undefined);
    });
  // Options of a command that are wrong are told as those of the program are.
  for (const command of program.commands) command.exitOverride().copyInheritedSettings(program);
  return program;
}

function listScenarios(cli: Cli): void {
  print(cli.stdout, 'Scenarios:');
  for (const { name, summary, nodes, preset } of scenarios) print(cli.stdout, `  ${name.padEnd(16)}${summary} (${nodes} nodes, ${preset})`);
  print(cli.stdout, '\nFlaws, for `netsim run --flaw`, and who finds them where:');
  for (const { name, summary, caughtBy, scenario } of flaws) print(cli.stdout, `  ${name.padEnd(26)}${summary} (${caughtBy} in ${scenario})`);
}
