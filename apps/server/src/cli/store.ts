import { isUtf8 } from 'node:buffer';
import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { print, type Cli } from './cli.js';
import { UsageError } from './failures.js';
import { collect, readFraction, withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import type { Draft } from './wire-types.js';

interface StoreOptions extends RemoteOptions {
  readonly space?: string;
  readonly tag?: readonly string[];
  readonly when?: string;
  readonly confidence?: number;
  readonly id?: string;
  readonly metadata?: string;
  readonly idempotencyKey?: string;
}

/** A little more than the longest content, so that the server still gets to say what is wrong with one that is too long. */
const stdinBytesMax = 2 * 1_048_576;

export function storeCommand(program: Command, cli: Cli): void {
  withRemoteOptions(program.command('store'))
    .description('store a memory; answers when it is durable')
    .argument('<content>', 'what to remember; - reads it from standard input')
    .option('-s, --space <space>', 'where it belongs (default: default)')
    .option('-t, --tag <tag>', 'label to filter and associate by; may be repeated', collect)
    .option('--when <time>', 'when it happened, RFC 3339 (default: now)')
    .option('--confidence <fraction>', 'how sure you are, 0 to 1 (default: 0.7)', readFraction)
    .option('--id <id>', 'its id (default: the server makes one)')
    .option('--metadata <json>', 'a JSON object that is carried along')
    .option('--idempotency-key <key>', 'repeating the command with the same key stores once')
    .action((content: string, options: StoreOptions) => withClient(cli, options, (client) => store(cli, client, content, options)));
}

export async function store(cli: Cli, client: ApiClient, content: string, options: StoreOptions): Promise<void> {
  const draft = draftOf(content === '-' ? await readAll(cli) : content, options);
  const stored = await client.store(draft, { idempotencyKey: options.idempotencyKey });
  if (options.json === true) return print(cli.stdout, JSON.stringify(stored));
  const { id, memory_space, durability } = stored;
  print(cli.stdout, `stored ${id} in ${memory_space} (${durability.reached}, ${durability.copies} ${durability.copies === 1 ? 'copy' : 'copies'})`);
}

function draftOf(content: string, { space, tag, when, confidence, id, metadata }: StoreOptions): Draft {
  return {
    content,
    ...(space === undefined ? {} : { memory_space: space }),
    ...(tag === undefined ? {} : { tags: tag }),
    ...(when === undefined ? {} : { when }),
    ...(confidence === undefined ? {} : { confidence }),
    ...(id === undefined ? {} : { id }),
    ...(metadata === undefined ? {} : { metadata: readMetadata(metadata) }),
  };
}

function readMetadata(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--metadata is not JSON: ${(error as Error).message}`, `Quote it for the shell, like --metadata '{"source":"mail"}'.`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new UsageError('--metadata must be a JSON object', `Write it like --metadata '{"source":"mail"}'.`);
}

/** Standard input as text, without the line end that shells and editors add. */
async function readAll(cli: Cli): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of cli.stdin) {
    const buffer = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    bytes += buffer.length;
    if (bytes > stdinBytesMax) throw new UsageError(`standard input is longer than ${stdinBytesMax} bytes`, 'A memory holds 1 MiB. `engram import` takes many memories, one JSON object per line.');
    chunks.push(buffer);
  }
  const whole = Buffer.concat(chunks);
  if (!isUtf8(whole)) throw new UsageError('standard input is not UTF-8', 'Convert it first, for example with iconv.');
  return whole.toString('utf8').replace(/\r?\n$/, '');
}
