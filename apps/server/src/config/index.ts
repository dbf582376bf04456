/**
 * The configuration of a node.
 *
 * ```ts
 * const { config, provenance, warnings } = loadConfig({ file: 'engram.toml', env: process.env, flags: { httpPort: '7432' } });
 * config.server.http_bind; // { host: '127.0.0.1', port: 7432 }
 * ```
 */
export { loadConfig, resolveConfig, type ConfigSources, type LoadedConfig } from './load.js';
export type { Config } from './schema.js';
export { formatAddress, isLoopback, isUnspecified, parseAddress, type Address } from './address.js';
export { ConfigError, describeProblem, type ConfigWarning, type Problem } from './problems.js';
export { describeSource, type Source } from './settings.js';
export { printableConfig, type PrintableValue } from './printable.js';
export { keys, type Key } from './keys.js';
export { formatValue } from './values.js';
export { formatDuration, formatSize, parseSize } from './sizes.js';
export { renderConfigReference } from './reference.js';
export type { Flags } from './flags.js';
