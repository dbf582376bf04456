/** `docs/configuration.md`, printed from the schema. `engram config reference > docs/configuration.md` renews it. */
import { aliases } from './aliases.js';
import { otherVariables } from './environment.js';
import { keys, type Key } from './keys.js';
import { tableTitles } from './schema.js';

export function renderConfigReference(): string {
  return [
    preamble,
    ...[...byTable()].map(([table, members]) => renderTable(table, members)),
    renderOtherVariables(),
    renderAliases(),
  ].join('\n\n') + '\n';
}

const preamble = `# Configuration

<!-- Printed by \`engram config reference\` from apps/server/src/config/schema.ts; edit there. -->

A node runs without any configuration. What it is told comes from four places, each over the one before:

1. the defaults below,
2. a TOML file named by \`--config\` or \`ENGRAM_CONFIG\`,
3. environment variables: \`ENGRAM_\` and the path of the key in capitals, joined by \`_\`; lists are separated by commas;
   an empty variable counts as not set,
4. flags of \`engram start\`.

\`engram config check\` prints every value and where it was written, and warns of what is odd. It takes the flags of
\`start\`, prints JSON with \`--json\`, and exits 0 when a start would go through, with warnings or without, 1 when it would
be refused, and 2 when it was called wrongly. A key that does not exist, a value that breaks its rule and values that do
not go together stop the start, all reported at once, each with the line or the variable it was written in.

Durations are written \`"250ms"\`, \`"30s"\`, \`"5m"\`, \`"24h"\` or as a number in the unit the key ends in. Sizes are written
\`"64MiB"\`, \`"10MB"\` or as a number of bytes.

A secret may stand in the file, come in its variable, or lie in a file of its own that the key ending in \`_file\` names, as
Docker and Kubernetes mount them: \`ENGRAM_CLUSTER_SWIM_KEYS_FILE=/run/secrets/swim-keys\`. No secret is ever printed.

\`\`\`toml
[node]
data_dir = "/var/lib/engram"

[server]
http_bind = "127.0.0.1:7432"

[log]
level = "info"
\`\`\``;

function byTable(): Map<string, Key[]> {
  const grouped = new Map<string, Key[]>();
  for (const key of keys.values()) {
    const table = key.path.slice(0, key.path.lastIndexOf('.'));
    grouped.set(table, [...(grouped.get(table) ?? []), key]);
  }
  return grouped;
}

function renderTable(table: string, members: readonly Key[]): string {
  return [`## [${table}]`, '', tableTitles[table] ?? '', '', '| key | default | meaning |', '|---|---|---|', ...members.map(renderKey)].join('\n');
}

function renderKey(key: Key): string {
  const written = key.written === undefined ? 'not set' : `\`${Array.isArray(key.written) ? '[]' : JSON.stringify(key.written)}\``;
  const secret = key.secret ? ' Never printed or logged.' : '';
  return `| \`${key.path.slice(key.path.lastIndexOf('.') + 1)}\`<br>\`${key.variable}\` | ${written} | ${key.description}${secret} It ${key.rule}. |`.replaceAll('\n', ' ');
}

function renderOtherVariables(): string {
  const rows = Object.entries(otherVariables).map(([name, meaning]) => `| \`${name}\` | ${meaning} |`);
  return ['## Other variables', '', 'Any other variable that begins with `ENGRAM_` stops the start. Those that Kubernetes adds for a Service named', '`engram` are left alone.', '', '| variable | meaning |', '|---|---|', ...rows].join('\n');
}

const spellingRules = [
  'These are read as well, in the file and as variables. Two spellings of a key in one place must have the same value.',
  '',
  '- The table of a source, such as `[cluster.dns]`, is read as `[cluster.discovery.dns]`.',
  '- A key that ends in `_ms` is read without it when its value says its unit (`refresh = "30s"`), and with `_sec`, `_secs`',
  '  or `_seconds` for numbers of seconds (`refresh_secs = 30`). `refresh_interval` is read as `refresh` in all of these.',
];

function renderAliases(): string {
  const rows = [...aliases.values()].filter(({ derived }) => derived !== true).map((alias) => `| \`${alias.path}\` | \`${alias.of}\`${alias.portOnly === true ? ' (its port)' : ''} |`);
  return ['## Other spellings', '', ...spellingRules, '', '| spelling | key |', '|---|---|', ...rows].join('\n');
}
