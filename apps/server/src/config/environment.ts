import { aliases, type Alias } from './aliases.js';
import { keys, variableOf } from './keys.js';
import { Layer } from './layer.js';
import { nearest } from './nearest.js';
import { isSecret, showValue, type Problem } from './problems.js';
import type { Setting } from './settings.js';
import { readText } from './values.js';

/** Variables of this name that are no keys. */
export const otherVariables: Readonly<Record<string, string>> = {
  ENGRAM_CONFIG: 'The configuration file, when `--config` does not name one.',
  ENGRAM_URL: 'The server that the command line talks to, when `--url` does not name one.',
  ENGRAM_LOCOMO_DIR: 'Where the conversations for the recall benchmark are.',
};

const prefix = 'ENGRAM_';
const pathOfVariable = new Map([...keys.values()].map((key) => [key.variable, key.path]));
const aliasOfVariable = new Map<string, Alias>([...aliases.values()].map((alias) => [variableOf(alias.path), alias]));

/**
 * The settings of the `ENGRAM_` variables. A variable that is no key is an error, because a setting that silently does
 * nothing is found out at the worst moment. An empty variable counts as not set: that is what
 * `${NAME:-}` in Compose and unset values in charts leave behind.
 */
export function readEnvironment(env: Readonly<Record<string, string | undefined>>): { settings: Setting[]; problems: Problem[] } {
  const layer = new Layer();
  for (const [variable, written] of Object.entries(env)) {
    if (!variable.startsWith(prefix) || written === undefined || written === '' || Object.hasOwn(otherVariables, variable)) continue;
    const alias = aliasOfVariable.get(variable);
    const path = pathOfVariable.get(variable) ?? alias?.of;
    if (path !== undefined) layer.add(variable, path, readText(keys.get(path)!.kind, written), { kind: 'environment', variable }, alias);
    else if (!isServiceLink(variable, written)) layer.problems.push(unknownVariable(variable, written));
  }
  return { settings: layer.settings, problems: layer.problems };
}

function unknownVariable(variable: string, written: string): Problem {
  const meant = variableMeant(variable);
  const secret = isSecret(variable, meant === undefined ? undefined : pathOfVariable.get(meant));
  return {
    key: variable,
    value: showValue(written, secret),
    source: 'environment',
    reason: 'is not the variable of any key',
    suggestion: meant === undefined ? 'Remove it; docs/configuration.md lists every variable.' : `Did you mean ${meant}?`,
  };
}

/** What all variables begin with says nothing about which one was meant, so it is left out of the comparison. */
function variableMeant(variable: string): string | undefined {
  const names = [...pathOfVariable.keys(), ...[...aliasOfVariable].filter(([, alias]) => alias.derived !== true).map(([name]) => name), ...Object.keys(otherVariables)];
  const found = nearest(variable.slice(prefix.length), names.map((name) => name.slice(prefix.length)));
  if (found === undefined) return undefined;
  const alias = aliasOfVariable.get(prefix + found);
  return alias === undefined ? prefix + found : variableOf(alias.of);
}

/**
 * Kubernetes puts variables such as `ENGRAM_PORT=tcp://10.0.0.1:7432` into every pod beside a Service named `engram`.
 * Nobody wrote them as a setting, so they must not stop a node.
 */
function isServiceLink(variable: string, written: string): boolean {
  if (/_SERVICE_HOST$/.test(variable)) return /^[0-9A-Fa-f.:]+$/.test(written);
  if (/_SERVICE_PORT(_[A-Z0-9_]+)?$/.test(variable)) return /^\d+$/.test(written);
  if (/_PORT_\d+_(TCP|UDP|SCTP)_(PROTO|PORT|ADDR)$/.test(variable)) return true;
  return /_PORT(_\d+_(TCP|UDP|SCTP))?$/.test(variable) && /^(tcp|udp|sctp):\/\//.test(written);
}
