/** What all commands that talk to a node have in common. */
import { parseDuration } from '@engram/kernel';
import { InvalidArgumentError, type Command } from 'commander';
import { ApiClient } from './api-client.js';
import type { Cli } from './cli.js';

export interface RemoteOptions {
  readonly url?: string;
  readonly timeout: number;
  readonly json?: boolean;
}

export const defaultUrl = 'http://127.0.0.1:7432';

export function withRemoteOptions(command: Command): Command {
  return command
    .option('--url <url>', `node to talk to (default: ENGRAM_URL, or ${defaultUrl})`)
    .option('--timeout <duration>', 'how long one request may take, such as 500ms or 2m', readDuration, 30_000)
    .option('--json', 'print JSON for scripts');
}

/** Runs `action` with a client that is let go of afterwards, whatever happens. */
export async function withClient<T>(cli: Cli, options: RemoteOptions, action: (client: ApiClient) => Promise<T>): Promise<T> {
  const client = new ApiClient({ url: options.url ?? (cli.env['ENGRAM_URL'] || defaultUrl), timeoutMs: options.timeout, signal: cli.interrupted });
  try {
    return await action(client);
  } finally {
    await client.close();
  }
}

/** For options that may be given several times. */
export function collect(value: string, before: readonly string[] = []): readonly string[] {
  return [...before, value];
}

export function readDuration(text: string): number {
  try {
    return Math.max(1, parseDuration(/^\d+$/.test(text) ? Number(text) : text));
  } catch {
    throw new InvalidArgumentError('Write a duration like 500ms, 30s or 2m.');
  }
}

export function readCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Write a whole number.');
  return Number(text);
}

export function readFraction(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value >= 0 && value <= 1)) throw new InvalidArgumentError('Write a number from 0 to 1.');
  return value;
}
