import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { aliases } from './aliases.js';
import { variableOf } from './keys.js';
import { ConfigError, formatAddress, formatValue, keys, parseAddress, printableConfig, resolveConfig, type LoadedConfig } from './index.js';

const spelled = fc.constantFrom(...keys.keys(), ...aliases.keys(), ...[...keys.keys()].map((path) => path.slice(0, -1)));
const scalar = fc.oneof(
  fc.string(), fc.integer(), fc.double({ noNaN: true }), fc.boolean(), fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }),
  fc.constantFrom('30s', '64MiB', 'a:7946', '[::1]:7946', '0.0.0.0:7946', 'http://u:p@h:1', 'static', 'distributed', 30, 1, 2, ''),
);
const value = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.dictionary(fc.constantFrom('token', 'x', 'addrs', 'refresh'), scalar, { maxKeys: 2 }));

/** Dotted keys, so that most pairs may stand in one file; TOML itself refuses some, and those files too are answered. */
function fileOf(entries: readonly (readonly [string, unknown])[]): string {
  return entries.map(([path, written]) => `${path} = ${tomlOf(written)}\n`).join('');
}

function tomlOf(written: unknown): string {
  if (written instanceof Date) return written.toISOString();
  if (Array.isArray(written)) return `[${written.map(tomlOf).join(', ')}]`;
  if (typeof written === 'object') return `{ ${Object.entries(written!).map(([name, inner]) => `${name} = ${tomlOf(inner)}`).join(', ')} }`;
  return JSON.stringify(written);
}

function outcomeOf(toml: string, env: Record<string, string>): LoadedConfig | ConfigError {
  try {
    return resolveConfig({ content: { name: 'engram.toml', text: toml }, env, flags: {} });
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

describe('whatever is written', () => {
  test('is either a whole configuration or refused with a reason for each key', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(spelled, value), { maxLength: 4 }), fc.dictionary(spelled.map(variableOf), fc.string(), { maxKeys: 3 }), (entries, env) => {
        const outcome = outcomeOf(fileOf(entries), env);
        if (outcome instanceof ConfigError) {
          expect(outcome.problems.length).toBeGreaterThan(0);
          for (const { key, reason } of outcome.problems) expect([key, reason].every((words) => words.length > 0)).toBe(true);
        } else {
          expect(printableConfig(outcome)).toHaveLength(keys.size);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('as a file is answered, however little it is TOML', () => {
    const pieces = fc.constantFrom('[', ']', '{', '}', '=', '"', "'", '\n', '.', ',', 'a', 'token', 'cluster', '1', ' ', '#');
    fc.assert(fc.property(fc.string({ unit: pieces }), (text) => void outcomeOf(text, {})), { numRuns: 500 });
  });

  test('under the key of a secret is not in what is said, whatever is wrong elsewhere', () => {
    fc.assert(
      fc.property(spelled, fc.stringMatching(/^[a-z]{4}$/), fc.constantFrom('', '[', '{ token = '), fc.boolean(), (other, word, opening, closed) => {
        const secret = `hunter2${word}`;
        const toml = `cluster.discovery.consul.token = "${secret}"\n${other} = ${opening}"x${closed ? '"' : ''}\n`;
        const outcome = outcomeOf(toml, { ENGRAM_CLUSTER_DISCOVERY_ETCD_PASSWORD: secret });
        const said = outcome instanceof ConfigError ? outcome.message + JSON.stringify(outcome.details) : JSON.stringify([printableConfig(outcome), outcome.warnings]);
        expect(said).not.toContain(secret);
      }),
      { numRuns: 300 },
    );
  });
});

test('an address that is written reads back', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), fc.domain()), fc.integer({ min: 0, max: 65_535 }), (host, port) => {
      expect(parseAddress(formatAddress({ host, port }))).toEqual({ host, port });
    }),
    { numRuns: 500 },
  );
});

test('a length of time is printed so that it reads back', () => {
  const durations = [...keys.values()].filter(({ kind }) => kind === 'duration');
  fc.assert(
    fc.property(fc.constantFrom(...durations), fc.integer({ min: 0, max: 100_000 }), (key, ms) => {
      const checked = key.schema.safeParse(ms);
      if (checked.success) expect(key.schema.parse(JSON.parse(formatValue(key, checked.data)))).toBe(ms);
    }),
    { numRuns: 300 },
  );
});
