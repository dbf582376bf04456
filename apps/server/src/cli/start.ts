import type { Command } from 'commander';
import type { Logger } from 'pino';
import { loadConfig, type Flags, type LoadedConfig } from '../config/index.js';
import { coloured, exitCodes, print, type Cli } from './cli.js';
import { createLog } from './log.js';
import { withStartFlags } from './start-flags.js';

interface StartOptions extends Flags {
  readonly config?: string;
}

/** What `start` needs of a running node (server.ts). */
export interface StartedServer {
  readonly httpAddress: string;
  readonly grpcAddress: string;
  readonly swimAddress?: string;
  readonly nodeId: string;
  readonly dataDirectory: string;
  readonly version: string;
  close(reason: string): Promise<void>;
  readonly closed: Promise<void>;
}

/** The part of the process that `start` listens to and ends. */
export interface Host {
  on(event: StopSignal, listener: () => void): unknown;
  off(event: StopSignal, listener: () => void): unknown;
  on(event: 'uncaughtException' | 'unhandledRejection', listener: (error: unknown) => void): unknown;
  off(event: 'uncaughtException' | 'unhandledRejection', listener: (error: unknown) => void): unknown;
  exit(code: number): void;
}

type StopSignal = 'SIGTERM' | 'SIGINT';
const stopSignals = ['SIGTERM', 'SIGINT'] as const;

/**
 * A terminal and a parent process may both pass on the same Ctrl-C. Only what comes later than this is impatience.
 */
const sameRequestMs = 250;

export function startCommand(program: Command, cli: Cli, exit: (code: number) => void, host: Host): void {
  withStartFlags(program.command('start'))
    .description('start a node')
    .action(async (options: StartOptions) => {
      const { config, ...flags } = options;
      const loaded = loadConfig({ file: config, env: cli.env, flags });
      const log = createLog(loaded.config.log, { onTerminal: cli.stderr.isTTY === true, colours: coloured(cli.stderr, cli.env) });
      const { startServer } = await import('../server.js');
      exit(await runServer(cli, host, loaded, log, startServer));
    });
}

/**
 * Runs a node until it stops, and returns the exit code: 0 after an orderly stop, 1 when it had to be cut short or
 * failed. A first signal asks it to stop, a second one does not wait for it.
 */
export async function runServer(
  cli: Cli,
  host: Host,
  loaded: LoadedConfig,
  log: Logger,
  startServer: (loaded: LoadedConfig, log: Logger) => Promise<StartedServer>,
): Promise<number> {
  for (const { key, message } of loaded.warnings) log.warn({ key }, message);
  let server: StartedServer | undefined;
  let stoppingSince: number | undefined;

  const crash = (error: unknown): void => {
    log.fatal({ err: error }, 'a defect in engram stopped the node; what was acknowledged is in the log on disk');
    host.exit(exitCodes.failed);
  };
  const stop = (signal: StopSignal): void => {
    if (stoppingSince !== undefined) {
      if (cli.now() - stoppingSince < sameRequestMs) return;
      log.error({ signal }, 'asked to stop again: leaving at once; the next start recovers from the log');
      host.exit(exitCodes.failed);
      return;
    }
    stoppingSince = cli.now();
    if (server === undefined) host.exit(exitCodes.failed);
    else server.close(signal).catch((error: unknown) => log.error({ err: error }, 'the stop was not orderly'));
  };
  const listeners = new Map(stopSignals.map((signal) => [signal, () => stop(signal)] as const));
  for (const [signal, listener] of listeners) host.on(signal, listener);
  host.on('uncaughtException', crash);
  host.on('unhandledRejection', crash);
  try {
    server = await startServer(loaded, log);
    print(cli.stdout, renderBanner(server));
    return await closedInTime(cli, server, loaded.config.server.shutdown_timeout_ms, () => stoppingSince, log);
  } finally {
    for (const [signal, listener] of listeners) host.off(signal, listener);
    host.off('uncaughtException', crash);
    host.off('unhandledRejection', crash);
  }
}

/** Waits for the node to be down. Once it was asked to stop, waits no longer than it was given. */
async function closedInTime(cli: Cli, server: StartedServer, graceMs: number, stoppingSince: () => number | undefined, log: Logger): Promise<number> {
  const down = new AbortController();
  const closed = server.closed.then(
    () => exitCodes.ok,
    (error: unknown) => {
      log.error({ err: error }, 'the stop was not orderly');
      return exitCodes.failed;
    },
  ).finally(() => down.abort());
  const overdue = (async (): Promise<number> => {
    while (!down.signal.aborted) {
      const since = stoppingSince();
      if (since !== undefined && cli.now() - since > graceMs + 1_000) {
        log.error({ graceMs }, 'did not stop in time: leaving; the next start recovers from the log');
        return exitCodes.failed;
      }
      await cli.pause(250, down.signal);
    }
    return closed;
  })();
  return Promise.race([closed, overdue]);
}

/** What a person needs first, ready to be copied. */
export function renderBanner({ version, nodeId, httpAddress, grpcAddress, swimAddress, dataDirectory }: StartedServer): string {
  const url = `http://${reachable(httpAddress)}`;
  const elsewhere = httpAddress === '127.0.0.1:7432' ? '' : ` --url ${url}`;
  return [
    '',
    `  engram ${version}`,
    '',
    `  node   ${nodeId}`,
    `  HTTP   ${url}  (documentation at ${url}/docs)`,
    `  gRPC   ${reachable(grpcAddress)}`,
    ...(swimAddress === undefined ? [] : [`  swim   ${swimAddress}  (name it as a --seed of the next node)`]),
    `  data   ${dataDirectory}`,
    '',
    `  store   curl -s ${url}/api/v1/memory -H 'content-type: application/json' -d '{"content":"The first thing I remember"}'`,
    `  recall  curl -s '${url}/api/v1/recall?q=first+thing'`,
    `  status  ${engram} status${elsewhere}`,
    '',
  ].join('\n');
}

/** How this program is called where it runs from: a clone that was not built has only the npm script. */
const engram = import.meta.url.endsWith('.ts') ? 'npm run --silent engram --' : 'npx engram';

/** An address for every interface is one to listen on, not one to call. */
function reachable(address: string): string {
  return address.replace(/^0\.0\.0\.0:/, '127.0.0.1:').replace(/^\[::\]:/, '[::1]:');
}
