/** A secret is used and never shown: not in what is printed, not in what is refused, however it was written. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { run } from '../cli/fake-cli.js';
import { secretFileKeys } from './secret-files.js';
import { ConfigError, describeSource, keys, printableConfig, renderConfigReference, resolveConfig } from './index.js';

const directory = mkdtempSync(join(tmpdir(), 'engram-secrets-'));
afterAll(() => rmSync(directory, { recursive: true }));

function fileOf(name: string, text: string): string {
  const file = join(directory, name);
  writeFileSync(file, text);
  return file;
}

const token = 'hunter2-consul-token';
const password = 'hunter2-etcd-password';
const swimKey = `hunter2${'A'.repeat(36)}=`;

function resolve(toml: string, env: Record<string, string> = {}) {
  return resolveConfig({ content: { name: 'engram.toml', text: toml }, env, flags: {} });
}

function refusalOf(toml: string, env: Record<string, string> = {}): ConfigError {
  try {
    resolve(toml, env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('the configuration was accepted');
}

const consulTable = '[cluster.discovery.consul]\n';

describe('a secret comes', () => {
  test('from the configuration or a variable', () => {
    expect(resolve(`${consulTable}token = "${token}"`).config.cluster.discovery.consul.token).toBe(token);
    expect(resolve('', { ENGRAM_CLUSTER_DISCOVERY_CONSUL_TOKEN: token }).config.cluster.discovery.consul.token).toBe(token);
  });

  test('from a file, without the white space around it', () => {
    const file = fileOf('token', `  ${token}\n`);
    const loaded = resolve(`${consulTable}token_file = ${JSON.stringify(file)}`);
    expect(loaded.config.cluster.discovery.consul.token).toBe(token);
    expect(describeSource(loaded.provenance.get('cluster.discovery.consul.token')!)).toBe(file);
    expect(resolve('', { ENGRAM_CLUSTER_DISCOVERY_CONSUL_TOKEN_FILE: file }).config.cluster.discovery.consul.token).toBe(token);
  });

  test('from a file with a key in each line', () => {
    const file = fileOf('keys', `${swimKey}\n${'B'.repeat(43)}=\n`);
    expect(resolve('', { ENGRAM_CLUSTER_SWIM_KEYS_FILE: file }).config.cluster.swim.keys).toEqual([swimKey, `${'B'.repeat(43)}=`]);
  });

  test('from a file whatever secret it is', () => {
    expect([...secretFileKeys.keys()]).toEqual([...keys.values()].filter(({ secret }) => secret).map(({ path }) => path));
  });
});

describe('a file of a secret is refused that', () => {
  const tokenFile = (file: string) => refusalOf(`${consulTable}token_file = ${JSON.stringify(file)}`).problems;

  test('does not exist, is a directory, is empty, or is no secret by its size', () => {
    expect(tokenFile(join(directory, 'nowhere'))).toMatchObject([{ key: 'cluster.discovery.consul.token_file', source: 'engram.toml:2', reason: 'names a file that does not exist' }]);
    expect(tokenFile(directory)).toMatchObject([{ reason: 'is not a file' }]);
    expect(tokenFile(fileOf('empty', ' \n'))).toMatchObject([{ reason: 'is empty' }]);
    expect(tokenFile(fileOf('large', 'x'.repeat(65_537)))).toMatchObject([{ reason: 'has 65537 bytes, more than a secret of at most 65536' }]);
  });

  test('stands beside the secret itself', () => {
    const { problems } = refusalOf(`${consulTable}token = "a"\ntoken_file = "b"`);
    expect(problems).toMatchObject([{ key: 'cluster.discovery.consul.token_file', reason: 'names a file for cluster.discovery.consul.token, which is set as well (engram.toml:2)' }]);
  });

  test('holds what breaks the rule of its key, without showing it', () => {
    const refusal = refusalOf('', { ENGRAM_CLUSTER_SWIM_KEYS_FILE: fileOf('wrong-keys', 'hunter2') });
    expect(refusal.problems).toMatchObject([{ key: 'cluster.swim.keys', value: '(secret)', source: join(directory, 'wrong-keys') }]);
    expect(refusal.message).not.toContain('hunter2');
  });
});

const everySecret = `[cluster]
enabled = true
[cluster.discovery]
sources = ["consul", "etcd"]
[cluster.discovery.consul]
address = "10.0.0.1:8500"
token = "${token}"
[cluster.discovery.etcd]
endpoints = ["http://10.0.0.2:2379"]
username = "engram"
password = "${password}"
[cluster.swim]
keys = ["${swimKey}"]
`;

describe('nothing that is printed holds a secret:', () => {
  test('not the values, the warnings or the reference', () => {
    const loaded = resolve(everySecret);
    expect(loaded.warnings.map(({ key }) => key)).toContain('cluster.discovery.consul.token');
    expect(loaded.warnings.map(({ key }) => key)).toContain('cluster.discovery.etcd.password');
    const printed = JSON.stringify([printableConfig(loaded), loaded.warnings, [...loaded.provenance]]) + renderConfigReference();
    expect(printed).not.toContain('hunter2');
    expect(printed.match(/\(secret\)/g)!.length).toBeGreaterThanOrEqual(3);
  });

  test.each([['for people', []], ['for scripts', ['--json']]])('not what `config check` prints %s', async (_, flags) => {
    const file = fileOf('engram.toml', everySecret);
    const { code, out, err } = await run(['config', 'check', '--config', file, ...flags], { env: {} });
    expect(code).toBe(0);
    expect(out + err).not.toContain('hunter2');
    expect(out).toContain('(secret)');
  });

  test.each([['for people', []], ['for scripts', ['--json']]])('not what `config check` refuses %s', async (_, flags) => {
    const file = fileOf('wrong.toml', everySecret.replace('"consul", "etcd"', '"consul", "etcd", "dns"').replace('username', 'usrname').replace('password =', 'passwrod ='));
    const { code, out, err } = await run(['config', 'check', '--config', file, ...flags], { env: { ENGRAM_CLUSTER_SWIM_KEYS: 'hunter2', ENGRAM_ETCD_PASSWORD: 'hunter2' } });
    expect(code).toBe(1);
    expect(out + err).not.toContain('hunter2');
  });
});

describe('no complaint holds a secret that was written', () => {
  test.each([
    ['under a wrong name', `${consulTable}tokn = "hunter2"`],
    ['twice', `${consulTable}token = "hunter2"\n[cluster.consul]\ntoken = "hunter2-too"`],
    ['as a number of the wrong kind', `${consulTable}token = { value = "hunter2" }`],
    ['into a list of tables', '[[cluster.discovery.consul]]\ntoken = "hunter2"'],
    ['into a table of another key', '[log.level]\ntoken = "hunter2"'],
    ['into a list of tables that is no key', '[[vault]]\ntoken = "hunter2"'],
    ['into the URL of an endpoint', '[cluster.discovery.etcd]\nendpoints = ["http://root:hunter2@10.0.0.1:2379"]'],
    ['into an address', '[cluster.discovery.consul]\naddress = "http://root:hunter2@10.0.0.1:8500"'],
    ['in front of what is not TOML', `${consulTable}token = "hunter2"\naddress = "a\n`],
    ['in the line that is not TOML', `${consulTable}token = "hunter2\n`],
    ['in an inline table that is not TOML', '[cluster.discovery]\nconsul = { address = "a:1", token = "hunter2" \n'],
    ['over several lines of what is not TOML', '[cluster.swim]\nkeys = [\n  "hunter2",\n  "hunter2" x\n]\n'],
    ['into a URL in what is not TOML', '[cluster.discovery.etcd]\nendpoints = ["http://root:hunter2@10.0.0.1:2379" x]\n'],
  ])('%s', (_, toml) => {
    const refusal = refusalOf(toml);
    expect(JSON.stringify([refusal.message, refusal.problems, refusal.details])).not.toContain('hunter2');
    expect(refusal.message).toMatch(/engram\.toml:\d/);
  });

  test.each(['ENGRAM_CONSUL_TOKEN', 'ENGRAM_CLUSTER_DISCOVERY_CONSUL_TOKN', 'ENGRAM_CLUSTER_DISCOVERY_ETCD_PASWORD', 'ENGRAM_CLUSTER_SWIM_KEYS', 'ENGRAM_SWIM_KEY'])('into %s', (variable) => {
    const refusal = refusalOf('', { [variable]: 'hunter2' });
    expect(refusal.message).toContain('(secret)');
    expect(refusal.message).not.toContain('hunter2');
  });
});
