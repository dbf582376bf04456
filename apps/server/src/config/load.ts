import { readFileSync } from 'node:fs';
import { formatAddress, parseAddress, parsePort, type Address } from './address.js';
import { checks } from './checks.js';
import { isInert, isOfCluster } from './cluster-checks.js';
import { sourceOfKey } from './discovery-checks.js';
import { discoverySources } from './discovery-schema.js';
import { readEnvironment } from './environment.js';
import { readFlags, type Flags } from './flags.js';
import { keys, type Key } from './keys.js';
import { ConfigError, problemOf, type ConfigWarning, type Problem } from './problems.js';
import type { Config } from './schema.js';
import { readSecretFiles } from './secret-files.js';
import { describeSource, type Setting, type Source } from './settings.js';
import { readToml } from './toml-file.js';

export interface LoadedConfig {
  /** Frozen, whole and checked. */
  readonly config: Config;
  /** Where the value of each key was written, by path; every key is in it. */
  readonly provenance: ReadonlyMap<string, Source>;
  readonly warnings: readonly ConfigWarning[];
}

export interface ConfigSources {
  /** Path of the TOML file. `ENGRAM_CONFIG` names it otherwise; without either there is none. */
  readonly file?: string | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly flags?: Flags;
}

/**
 * The configuration in force: defaults, then the file, then `ENGRAM_` variables, then flags, each over the one before.
 * Throws ConfigError (`invalid_config`) with everything that is wrong, from all four at once.
 */
export function loadConfig({ file, env = {}, flags = {} }: ConfigSources): LoadedConfig {
  const name = file ?? (env['ENGRAM_CONFIG'] === '' ? undefined : env['ENGRAM_CONFIG']);
  const source: Source = file === undefined ? { kind: 'environment', variable: 'ENGRAM_CONFIG' } : { kind: 'flag', flag: '--config' };
  const content = name === undefined ? undefined : readFile(name, source);
  return resolveConfig({ env, flags, ...(content === undefined ? {} : { content }) });
}

/** What {@link loadConfig} does once the file is read; touches nothing outside but the files of secrets that it names. */
export function resolveConfig({ content, env, flags }: {
  readonly content?: { readonly name: string; readonly text: string } | Problem;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly flags: Flags;
}): LoadedConfig {
  const fromFile = content === undefined ? nothing : 'text' in content ? readToml(content.name, content.text) : { settings: [], problems: [content] };
  const fromEnvironment = readEnvironment(env);
  const fromFlags = readFlags(flags);

  const problems = [...fromFile.problems, ...fromEnvironment.problems, ...fromFlags.problems];
  const settings = mergeLayers([fromFile.settings, fromEnvironment.settings, fromFlags.settings]);
  implySources(settings);
  problems.push(...readSecretFiles(settings));
  const values = new Map(defaults);
  const broken = new Set<string>();
  for (const setting of settings.values()) {
    const key = keys.get(setting.path)!;
    const checked = key.schema.safeParse(setting.value);
    if (checked.success) {
      values.set(setting.path, checked.data);
    } else {
      broken.add(setting.path);
      const [reason, suggestion] = setting.portOnly === true ? ['must be a port from 0 to 65535', undefined] : [checked.error.issues[0]!.message, key.suggest?.(setting.value)];
      problems.push(problemOf(setting.path, setting.written ?? setting.value, setting.source, reason, suggestion));
    }
  }

  const config = nest(values) as Config;
  const warnings: ConfigWarning[] = [];
  for (const { key, needs = [], complaint } of checks) {
    // A relation to a value that is wrong already would only say the same thing twice.
    if ([key, ...needs].some((path) => broken.has(path))) continue;
    const found = complaint(config);
    if (found?.as === 'warn') warnings.push(warningOf(key, settings.get(key), `${key} ${found.reason}.${found.suggestion === undefined ? '' : ` ${found.suggestion}`}`));
    else if (found !== undefined) problems.push(problemOfCheck(key, settings, needs, found.reason, found.suggestion));
  }
  if (problems.length > 0) throw new ConfigError(problems);

  const withoutEffect = (paths: readonly string[], why: string): void => {
    const [key] = paths;
    if (key !== undefined) warnings.push(warningOf(key, settings.get(key), `${paths.join(', ')} ${paths.length === 1 ? 'has' : 'have'} no effect ${why}.`));
  };
  const paths = [...settings.values()].filter(({ source }) => source.kind !== 'secret-file').map(({ path }) => path);
  withoutEffect(paths.filter(isInert), 'yet: this version neither consolidates nor compares copies');
  if (!config.cluster.enabled) {
    withoutEffect(paths.filter(isOfCluster), 'while cluster.enabled is false');
  } else {
    for (const source of discoverySources.filter((name) => !config.cluster.discovery.sources.includes(name))) {
      withoutEffect(paths.filter((path) => sourceOfKey(path) === source), `because cluster.discovery.sources does not name "${source}"`);
    }
  }
  const provenance = new Map([...keys.keys()].map((path): [string, Source] => [path, settings.get(path)?.source ?? { kind: 'default' }]));
  return { config, provenance, warnings };
}

function warningOf(key: string, setting: Setting | undefined, message: string): ConfigWarning {
  return { key, message, ...(setting === undefined ? {} : { source: describeSource(setting.source) }) };
}

/** Spellings that name a source without a list of sources mean that it is asked. */
function implySources(settings: Map<string, Setting>): void {
  const path = 'cluster.discovery.sources';
  const implying = [...settings.values()].filter(({ implies }) => implies !== undefined);
  if (settings.has(path) || implying.length === 0) return;
  settings.set(path, { path, value: implying.map(({ implies }) => implies), source: implying[0]!.source });
}

const nothing: { settings: Setting[]; problems: Problem[] } = { settings: [], problems: [] };

/** Checked once, so that a default which breaks its own rule cannot leave the workshop. */
const defaults: ReadonlyMap<string, unknown> = new Map([...keys.values()].map((key: Key) => [key.path, key.schema.parse(undefined)]));

function readFile(name: string, source: Source): { name: string; text: string } | Problem {
  try {
    return { name, text: readFileSync(name, 'utf8') };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === 'ENOENT' ? 'does not exist' : code === 'EISDIR' ? 'is a directory, not a file' : `cannot be read (${code ?? String(error)})`;
    return { key: source.kind === 'flag' ? source.flag : 'ENGRAM_CONFIG', value: JSON.stringify(name), reason, suggestion: 'Name a TOML file, or leave it out to run with the defaults.' };
  }
}

/** The last layer that sets a key wins. A bare port is put behind the host that the layers below settled on. */
function mergeLayers(layers: readonly (readonly Setting[])[]): Map<string, Setting> {
  const merged = new Map<string, Setting>();
  for (const setting of layers.flat()) {
    merged.set(setting.path, setting.portOnly === true ? { ...setting, value: withPort(merged.get(setting.path), setting) } : setting);
  }
  return merged;
}

function withPort(below: Setting | undefined, setting: Setting): unknown {
  const port = parsePort(setting.value);
  if (port === undefined) return setting.value;
  const host = (typeof below?.value === 'string' ? parseAddress(below.value) : undefined) ?? (defaults.get(setting.path) as Address);
  return formatAddress({ host: host.host, port });
}

/** A default that goes with no value of another key is reported together with where that one was written. */
function problemOfCheck(key: string, settings: ReadonlyMap<string, Setting>, needs: readonly string[], reason: string, suggestion?: string): Problem {
  const setting = settings.get(key);
  if (setting !== undefined) return problemOf(key, setting.written ?? setting.value, setting.source, reason, suggestion);
  const { written } = keys.get(key)!;
  const problem = { ...problemOf(key, written, { kind: 'default' }, reason, suggestion), ...(written === undefined ? { value: '(not set)' } : {}) };
  const cause = needs.map((path) => settings.get(path)).find((other) => other !== undefined);
  return cause === undefined ? problem : { ...problem, source: `default; ${cause.path}: ${describeSource(cause.source)}` };
}

function nest(values: ReadonlyMap<string, unknown>): object {
  const root: Record<string, unknown> = {};
  for (const [path, value] of values) {
    const words = path.split('.');
    let table = root;
    for (const word of words.slice(0, -1)) table = (table[word] ??= {}) as Record<string, unknown>;
    if (value !== undefined) table[words.at(-1)!] = value;
  }
  return freeze(root);
}

function freeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) if (typeof child === 'object' && child !== null) freeze(child as object);
  return Object.freeze(value);
}
