import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { aliases } from './aliases.js';
import { checks } from './checks.js';
import { variableOf } from './keys.js';
import { editDistance, nearest } from './nearest.js';
import { formatValue, keys, parseAddress, formatAddress, isLoopback, parseSize, formatSize, formatDuration, renderConfigReference } from './index.js';
import { tableTitles } from './schema.js';

describe('the schema', () => {
  test('explains every key and every table', () => {
    for (const key of keys.values()) {
      expect(key.description, key.path).toMatch(/^[A-Z].*\.$/);
      expect(tableTitles, key.path).toHaveProperty([key.path.slice(0, key.path.lastIndexOf('.'))]);
    }
  });

  test('gives every key a variable of its own, and to each other spelling one that nobody else means differently', () => {
    const meanings = new Map([...keys.values()].map((key) => [key.variable, key.path]));
    expect(meanings.size).toBe(keys.size);
    for (const { path, of } of aliases.values()) {
      expect(meanings.get(variableOf(path)) ?? of, path).toBe(of);
      meanings.set(variableOf(path), of);
    }
    expect(keys.get('cluster.swim.preset')!.variable).toBe('ENGRAM_CLUSTER_SWIM_PRESET');
    expect(keys.get('cluster.bootstrap_expect')!.variable).toBe('ENGRAM_CLUSTER_BOOTSTRAP_EXPECT');
  });

  test('knows every key that a check or another spelling names', () => {
    const named = [...checks.flatMap((check) => [check.key, ...(check.needs ?? [])]), ...[...aliases.values()].map((alias) => alias.of)];
    expect(named.filter((path) => !keys.has(path))).toEqual([]);
    expect([...aliases.keys()].filter((path) => keys.has(path))).toEqual([]);
  });

  test('prints each default so that it reads back as the same value', () => {
    for (const key of keys.values()) {
      const value = key.schema.parse(undefined);
      if (value === undefined || key.secret) continue;
      expect(key.schema.parse(JSON.parse(formatValue(key, value))), key.path).toEqual(value);
    }
  });
});

test('docs/configuration.md is what the schema prints; `npx engram config reference > docs/configuration.md` renews it', () => {
  expect(readFileSync(new URL('../../../../docs/configuration.md', import.meta.url), 'utf8')).toBe(renderConfigReference());
});

describe('addresses', () => {
  test.each([
    ['127.0.0.1:7432', { host: '127.0.0.1', port: 7432 }],
    ['[::1]:0', { host: '::1', port: 0 }],
    ['[fe80::1%eth0]:1', { host: 'fe80::1%eth0', port: 1 }],
    ['engram-1.prod.example.com:65535', { host: 'engram-1.prod.example.com', port: 65_535 }],
  ])('%s is read and written', (text, address) => {
    expect(parseAddress(text)).toEqual(address);
    expect(formatAddress(address)).toBe(text);
  });

  test.each(['', ':1', 'a', 'a:', 'a:b', 'a:65536', 'a b:1', '[]:1', '[a]:1', '::1', 'a..b:1', '-a:1', 'http://a:1'])('%j is none', (text) => {
    expect(parseAddress(text)).toBeUndefined();
  });

  test('loopback is what only this machine can reach', () => {
    expect(['localhost', '127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1'].filter((host) => !isLoopback(host))).toEqual([]);
    expect(['0.0.0.0', '::', '10.0.0.1', 'localhost.example.com', '127.0.0.1.example.com'].filter(isLoopback)).toEqual([]);
  });
});

describe('sizes', () => {
  test.each([
    ['64MiB', 67_108_864],
    ['10MB', 10_000_000],
    ['1.5 GiB', 1_610_612_736],
    ['0', 0],
    ['4096', 4096],
    ['7b', 7],
  ])('%s is read', (text, bytes) => expect(parseSize(text)).toBe(bytes));

  test.each(['', 'MiB', '-1', '1e3', '0.3B', '1 MiB/s', '99999999TiB'])('%j is none', (text) => expect(parseSize(text)).toBeUndefined());

  test('are written in the largest unit that is exact', () => {
    expect([0, 1000, 1024, 1536, 67_108_864].map(formatSize)).toEqual(['0', '1000', '1KiB', '1536', '64MiB']);
    expect([0, 250, 1500, 30_000, 300_000, 86_400_000].map(formatDuration)).toEqual(['0ms', '250ms', '1500ms', '30s', '5m', '24h']);
  });
});

describe('the nearest candidate', () => {
  test('counts a swap of neighbours as one slip', () => {
    expect(editDistance('levle', 'level')).toBe(1);
    expect(editDistance('kitten', 'sitting')).toBe(3);
    expect(editDistance('', 'abc')).toBe(3);
    expect(editDistance('abc', 'xyz', 2)).toBe(Infinity);
  });

  test('is none when nothing is near', () => {
    expect(nearest('zzzzzz', ['status', 'store'])).toBeUndefined();
    expect(nearest('statsu', ['status', 'store'])).toBe('status');
  });
});
