import type { Command } from 'commander';
import type { ApiClient } from './api-client.js';
import { print, type Cli } from './cli.js';
import { collect, readCount, readFraction, withClient, withRemoteOptions, type RemoteOptions } from './remote.js';
import { oneLine, renderTable, widthLeft } from './tables.js';
import type { RecallAnswer, RecallHit, RecallRequest } from './wire-types.js';

interface RecallOptions extends RemoteOptions {
  readonly space?: readonly string[];
  readonly tag?: readonly string[];
  readonly after?: string;
  readonly before?: string;
  readonly limit?: number;
  readonly minConfidence?: number;
  readonly explain?: boolean;
}

export function recallCommand(program: Command, cli: Cli): void {
  withRemoteOptions(program.command('recall'))
    .description('recall memories by a cue')
    .argument('<cue>', 'a question, a sentence or keywords')
    .option('-s, --space <space>', 'where to look; may be repeated; * is everywhere (default: default)', collect)
    .option('-t, --tag <tag>', 'only memories with this tag; may be repeated', collect)
    .option('--after <time>', 'only memories of this time or later, RFC 3339')
    .option('--before <time>', 'only memories before this time, RFC 3339')
    .option('-n, --limit <count>', 'at most this many (default: 10)', readCount)
    .option('--min-confidence <fraction>', 'leave out what is less sure, 0 to 1', readFraction)
    .option('--explain', 'show what each score is made of')
    .action((cue: string, options: RecallOptions) => withClient(cli, options, (client) => recall(cli, client, cue, options)));
}

export async function recall(cli: Cli, client: ApiClient, cue: string, options: RecallOptions): Promise<void> {
  const answer = await client.recall(requestOf(cue, options), { explain: options.explain === true });
  if (options.json === true) return print(cli.stdout, JSON.stringify(answer));
  print(cli.stdout, renderAnswer(cli, answer));
  if (answer.partial) {
    const missing = answer.missing.map(({ partition, space, reason }) => `${space ?? `partition ${partition}`} (${reason})`).join(', ');
    print(cli.stderr, `partial: not asked were ${missing}; the confidence is lowered by ${answer.penalty.toFixed(2)}`);
  }
}

function requestOf(text: string, { space, tag, after, before, limit, minConfidence }: RecallOptions): RecallRequest {
  return {
    cue: {
      text,
      ...(tag === undefined ? {} : { tags: tag }),
      ...(after === undefined ? {} : { after }),
      ...(before === undefined ? {} : { before }),
    },
    ...(space === undefined ? {} : { spaces: space.includes('*') ? ('*' as const) : space }),
    ...(limit === undefined ? {} : { limit }),
    ...(minConfidence === undefined ? {} : { min_confidence: minConfidence }),
  };
}

function renderAnswer(cli: Cli, { memories, confidence, took_ms }: RecallAnswer): string {
  if (memories.length === 0) return 'nothing comes to mind';
  const explained = memories.some(({ parts }) => parts !== undefined);
  const head = ['score', 'confidence', 'when', 'space', 'id', ...(explained ? ['because'] : []), 'content'];
  const rows = memories.map((hit) => {
    const cells = [hit.score.toFixed(3), hit.confidence.toFixed(2), day(hit.when), hit.memory_space, hit.id, ...(explained ? [because(hit)] : [])];
    return [...cells, oneLine(hit.content, widthLeft(cli, cells.reduce((width, cell) => width + cell.length + 3, 12)))];
  });
  return `${renderTable(head, rows)}\nconfidence ${confidence.toFixed(2)}, took ${took_ms.toFixed(1)} ms`;
}

/** The parts that say something, the largest first. */
function because({ parts = {} }: RecallHit): string {
  const telling = Object.entries(parts).filter(([, share]) => share !== 0);
  return telling.sort(([, a], [, b]) => b - a).map(([name, share]) => `${name} ${share.toFixed(3)}`).join(', ');
}

function day(when: string): string {
  return when.slice(0, 16).replace('T', ' ');
}
