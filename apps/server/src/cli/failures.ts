import { EngramError, shown } from '@engram/kernel';
import { CommanderError } from 'commander';
import { exitCodes, Interrupted, print, type Cli } from './cli.js';

/** What one may type without the word before it. */
const clusterCommands: ReadonlySet<string> = new Set(['drain', 'undrain', 'decommission', 'rebalance', 'promote', 'init']);
/** Known, so that the answer is not "unknown command", and not there yet. */
const laterCommands: ReadonlySet<string> = new Set(['backup', 'restore', 'wal-replay', 'wal-backup', 'bench']);

/** A mistake in how a command was called: exit code 2. */
export class UsageError extends EngramError {
  constructor(message: string, hint: string) {
    super('invalid_argument', message, { hint });
  }
}

/**
 * Tells the user what went wrong, and returns the exit code. A mistake of the user or the world is a message and a
 * hint; only what should never happen shows where it happened.
 */
export function reportFailure(cli: Cli, error: unknown, asJson: boolean): number {
  if (error instanceof CommanderError) return reportParsing(cli, error);
  if (error instanceof EngramError) {
    if (asJson) print(cli.stderr, JSON.stringify({ error: { code: error.code, message: error.message, hint: error.hint, retryable: error.retryable, ...wireDetails(error) } }));
    else print(cli.stderr, `error: ${error.message}\n${hintLines(error)}`);
    return error instanceof UsageError ? exitCodes.usage : exitCodes.failed;
  }
  if (error instanceof Interrupted) {
    print(cli.stderr, 'interrupted');
    return exitCodes.interrupted;
  }
  if (isSystemError(error)) {
    print(cli.stderr, `error: ${describeSystemError(error)}`);
    return exitCodes.failed;
  }
  print(cli.stderr, `error: a defect in engram, please report it:\n${error instanceof Error ? error.stack : shown(error)}`);
  return exitCodes.failed;
}

function reportParsing(cli: Cli, error: CommanderError): number {
  // Help and version were printed by the parser; there is nothing to report.
  if (error.exitCode === 0) return exitCodes.ok;
  if (error.code === 'commander.help') return exitCodes.usage;
  const unknown = /unknown command '([^']*)'/.exec(error.message)?.[1];
  if (error.code === 'commander.unknownCommand' && unknown !== undefined && clusterCommands.has(unknown)) {
    print(cli.stderr, `error: unknown command '${unknown}'\nhint: it is a command of the cluster: \`engram cluster ${unknown}\`.`);
    return exitCodes.usage;
  }
  if (error.code === 'commander.unknownCommand' && unknown !== undefined && laterCommands.has(unknown)) {
    print(cli.stderr, `error: '${unknown}' is not available yet\nhint: \`engram --help\` lists the commands there are.`);
    return exitCodes.usage;
  }
  print(cli.stderr, `${error.message.trimEnd()}\nhint: \`engram --help\` lists the commands, \`engram COMMAND --help\` their options.`);
  return exitCodes.usage;
}

function hintLines(error: EngramError): string {
  const requestId = error.details['requestId'];
  return `hint: ${error.hint}${typeof requestId === 'string' ? `\n      (request ${requestId} in the log of the server)` : ''}`;
}

function wireDetails({ details }: EngramError): Record<string, unknown> {
  const { requestId, retryAfterMs, problems } = details;
  return {
    ...(requestId === undefined ? {} : { request_id: requestId }),
    ...(retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs }),
    ...(problems === undefined ? {} : { problems }),
  };
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && typeof (error as NodeJS.ErrnoException).code === 'string' && typeof (error as NodeJS.ErrnoException).syscall === 'string';
}

function describeSystemError({ code, path, message }: NodeJS.ErrnoException): string {
  const what: Readonly<Record<string, string>> = {
    ENOENT: 'does not exist',
    EACCES: 'may not be accessed by this user',
    EPERM: 'may not be accessed by this user',
    EISDIR: 'is a directory, not a file',
    ENOTDIR: 'lies below something that is no directory',
    ENOSPC: 'cannot be written: the disk is full',
    EROFS: 'cannot be written: the disk is read-only',
  };
  const words = what[code ?? ''];
  return path !== undefined && words !== undefined ? `${path} ${words}` : message;
}
