/** `engram`: from the process to the command line and back. */
import { setTimeout as pause } from 'node:timers/promises';
import { runCli } from './cli/program.js';
import { exitCodes, Interrupted, type Cli } from './cli/cli.js';

// A reader that has seen enough, such as `head`, is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const interruption = new AbortController();
const cli: Cli = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  now: () => performance.now(),
  pause: (ms, signal) => pause(ms, undefined, signal === undefined ? {} : { signal }).then(
    () => undefined,
    () => undefined,
  ),
  interrupted: interruption.signal,
};

const argv = process.argv.slice(2);
// A node stops in its own way; every other command ends what it is doing, and the second time just ends.
if (argv[0] !== 'start') {
  process.once('SIGINT', () => {
    interruption.abort(new Interrupted());
    process.once('SIGINT', () => process.exit(exitCodes.interrupted));
  });
}

process.exitCode = await runCli(argv, cli, process);
// A node leaves nothing open once it is down; if something is, it must not keep the process alive.
if (argv[0] === 'start') process.exit();
