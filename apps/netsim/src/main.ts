/** `netsim`: from the process to the command line and back. */
import { runCli } from './cli/program.js';

// A reader that has seen enough, such as `head`, is no failure.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
}

const code = await runCli(process.argv.slice(2), {
  stdout: process.stdout,
  stderr: process.stderr,
  now: () => performance.now(),
  script: process.argv[1] as string,
  execArgv: process.execArgv,
});
if (code !== undefined) process.exitCode = code;
