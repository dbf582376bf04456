import type { Command } from 'commander';
import { ConfigError, loadConfig, printableConfig, renderConfigReference, type Flags, type LoadedConfig } from '../config/index.js';
import { exitCodes, print, type Cli } from './cli.js';
import { withStartFlags } from './start-flags.js';
import { renderTable } from './tables.js';

interface CheckOptions extends Flags {
  readonly config?: string;
  readonly json?: boolean;
}

export function configCommand(program: Command, cli: Cli, exit: (code: number) => void): void {
  const config = program.command('config').description('check the configuration, or print its reference');
  withStartFlags(config.command('check'))
    .description('print every value, where it comes from, and what is odd about it; takes the flags of `start`')
    .option('--json', 'print JSON for scripts')
    .addHelpText('after', '\nExit codes: 0 a start would go through, with warnings or without; 1 it would be refused; 2 called wrongly.')
    .action((options: CheckOptions) => exit(checkConfig(cli, options)));
  config
    .command('reference')
    .description('print the reference of all keys as Markdown')
    .action(() => print(cli.stdout, renderConfigReference()));
}

/** Returns the exit code. Everything that is wrong is printed, not only the first. */
export function checkConfig(cli: Cli, { config: file, json, ...flags }: CheckOptions): number {
  let loaded: LoadedConfig;
  try {
    loaded = loadConfig({ file, env: cli.env, flags });
  } catch (error) {
    if (json !== true || !(error instanceof ConfigError)) throw error;
    print(cli.stdout, JSON.stringify({ ok: false, problems: error.problems }));
    return exitCodes.failed;
  }
  print(cli.stdout, json === true ? JSON.stringify(asJson(loaded)) : asTable(loaded));
  return exitCodes.ok;
}

function asTable(loaded: LoadedConfig): string {
  const rows = printableConfig(loaded).map(({ path, written, source }) => [path, written, source]);
  const warnings = loaded.warnings.map(({ message, source }) => `warning: ${message}${source === undefined ? '' : `  (${source})`}`);
  const verdict = warnings.length === 0 ? 'The configuration is good.' : `The configuration is good, with ${warnings.length === 1 ? 'a warning' : `${warnings.length} warnings`}.`;
  return [renderTable(['key', 'value', 'from'], rows), ...warnings, verdict].join('\n');
}

function asJson(loaded: LoadedConfig): object {
  const values = printableConfig(loaded).map(({ path, value, source }) => [path, { ...(value === undefined ? {} : { value }), source }]);
  return { ok: true, values: Object.fromEntries(values) as object, warnings: loaded.warnings };
}
