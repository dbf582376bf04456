import { readFileSync } from 'node:fs';
import { formatAddress, parseAddress, type Address } from './address.js';
import { checks, isInert, isOfCluster } from './checks.js';
import { readEnvironment } from './environment.js';
import { readFlags, type Flags } from './flags.js';
import { keys, type Key } from './keys.js';
import { ConfigError, problemOf, type ConfigWarning, type Problem } from './problems.js';
import type { Config } from './schema.js';
import type { Setting, Source } from './settings.js';
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

/** What {@link loadConfig} does once the file is read; touches nothing outside. */
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
  const values = new Map(defaults);
  const broken = new Set<string>();
  for (const setting of settings.values()) {
    const checked = keys.get(setting.path)!.schema.safeParse(setting.value);
    if (checked.success) {
      values.set(setting.path, checked.data);
    } else {
      broken.add(setting.path);
      problems.push(problemOf(setting.path, setting.value, setting.source, checked.error.issues[0]!.message));
    }
  }

  const config = nest(values) as Config;
  const warnings: ConfigWarning[] = [];
  for (const { key, needs = [], complaint } of checks) {
    // A relation to a value that is wrong already would only say the same thing twice.
    if ([key, ...needs].some((path) => broken.has(path))) continue;
    const found = complaint(config);
    if (found?.as === 'warn') warnings.push({ key, message: `${key} ${found.reason}.` });
    else if (found !== undefined) problems.push(problemOfCheck(key, settings.get(key), found.reason, found.suggestion));
  }
  if (problems.length > 0) throw new ConfigError(problems);

  warnings.push(...withoutEffect([...settings.keys()].filter(isInert), 'yet: this version neither replicates nor consolidates'));
  if (!config.cluster.enabled) warnings.push(...withoutEffect([...settings.keys()].filter(isOfCluster), 'while cluster.enabled is false'));
  const provenance = new Map([...keys.keys()].map((path): [string, Source] => [path, settings.get(path)?.source ?? { kind: 'default' }]));
  return { config, provenance, warnings };
}

function withoutEffect(paths: readonly string[], why: string): ConfigWarning[] {
  const [key] = paths;
  return key === undefined ? [] : [{ key, message: `${paths.join(', ')} ${paths.length === 1 ? 'has' : 'have'} no effect ${why}.` }];
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
  const port = String(setting.value).trim();
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) return setting.value;
  const host = (typeof below?.value === 'string' ? parseAddress(below.value) : undefined) ?? (defaults.get(setting.path) as Address);
  return formatAddress({ host: host.host, port: Number(port) });
}

function problemOfCheck(key: string, setting: Setting | undefined, reason: string, suggestion?: string): Problem {
  if (setting !== undefined) return problemOf(key, setting.value, setting.source, reason, suggestion);
  const written = keys.get(key)!.written;
  return problemOf(key, written ?? '(not set)', { kind: 'default' }, reason, suggestion);
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
