import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { ConfigError, describeSource, loadConfig, resolveConfig, type Flags, type LoadedConfig } from './index.js';

function resolve(toml = '', env: Record<string, string> = {}, flags: Flags = {}): LoadedConfig {
  return resolveConfig({ content: { name: 'engram.toml', text: toml }, env, flags });
}

function sourceOf(loaded: LoadedConfig, path: string): string {
  return describeSource(loaded.provenance.get(path)!);
}

describe('a value that several places set', () => {
  const toml = '[log]\nlevel = "warn"\n';

  test('is the default when nobody sets it', () => {
    const loaded = resolve();
    expect(loaded.config.log.level).toBe('info');
    expect(sourceOf(loaded, 'log.level')).toBe('default');
  });

  test('is the file’s rather than the default', () => {
    const loaded = resolve(toml);
    expect(loaded.config.log.level).toBe('warn');
    expect(sourceOf(loaded, 'log.level')).toBe('engram.toml:2');
  });

  test('is the variable’s rather than the file’s', () => {
    const loaded = resolve(toml, { ENGRAM_LOG_LEVEL: 'error' });
    expect(loaded.config.log.level).toBe('error');
    expect(sourceOf(loaded, 'log.level')).toBe('ENGRAM_LOG_LEVEL');
  });

  test('is the flag’s rather than the variable’s', () => {
    const loaded = resolve(toml, { ENGRAM_LOG_LEVEL: 'error' }, { logLevel: 'debug' });
    expect(loaded.config.log.level).toBe('debug');
    expect(sourceOf(loaded, 'log.level')).toBe('--log-level');
  });
});

describe('a port flag', () => {
  test('keeps the host of the layer below', () => {
    const loaded = resolve('[server]\nhttp_bind = "[::1]:7432"\n', {}, { httpPort: '9000' });
    expect(loaded.config.server.http_bind).toEqual({ host: '::1', port: 9000 });
    expect(sourceOf(loaded, 'server.http_bind')).toBe('--http-port');
  });

  test('keeps the default host when nothing else is said', () => {
    expect(resolve('', {}, { grpcPort: '0' }).config.server.grpc_bind).toEqual({ host: '127.0.0.1', port: 0 });
  });
});

describe('a cluster', () => {
  test('is turned on by a seed, whose address is a static one', () => {
    const loaded = resolve('', {}, { seed: ['engram-1:7946', '[::1]:7947'], swimPort: '0' });
    expect(loaded.config.cluster).toMatchObject({ enabled: true, name: 'engram', swim: { bind: { host: '127.0.0.1', port: 0 }, preset: 'lan', keys: [] } });
    expect(loaded.config.cluster.discovery.static.seeds).toEqual([{ host: 'engram-1', port: 7946 }, { host: '::1', port: 7947 }]);
    expect(sourceOf(loaded, 'cluster.enabled')).toBe('--seed');
  });

  test('is turned on without a seed for its first node, and off by the mode', () => {
    expect(resolve('', {}, { clusterMode: 'distributed' }).config.cluster.enabled).toBe(true);
    expect(resolve('[cluster]\nenabled = true\n', {}, { clusterMode: 'single' }).config.cluster.enabled).toBe(false);
  });

  test('listens on every network when it says where it is called', () => {
    const { config } = resolve('[cluster]\nenabled = true\nadvertise = "engram-1.internal:7946"\nswim.bind = "[::]:7946"\n', { ENGRAM_CLUSTER_SWIM_KEYS: `${'A'.repeat(43)}=` });
    expect(config.cluster.advertise).toEqual({ host: 'engram-1.internal', port: 7946 });
  });
});

describe('values are read', () => {
  test('with units in the file', () => {
    const { config } = resolve('[wal]\nsegment_bytes = "128MiB"\nretain_bytes = 1000\n[query]\ntimeout_ms = "1.5s"\n[server]\nshutdown_timeout_ms = 2000\n');
    expect(config.wal.segment_bytes).toBe(134_217_728);
    expect(config.wal.retain_bytes).toBe(1000);
    expect(config.query.timeout_ms).toBe(1500);
    expect(config.server.shutdown_timeout_ms).toBe(2000);
  });

  test('from the text of variables', () => {
    const { config } = resolve('', {
      ENGRAM_WAL_SEGMENT_BYTES: '128MiB',
      ENGRAM_WAL_RETAIN_BYTES: '1000',
      ENGRAM_QUERY_TIMEOUT_MS: '2500',
      ENGRAM_SERVER_ALLOW_UNAUTHENTICATED: '1',
      ENGRAM_NODE_ID: ' node-7 ',
      ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: 'engram-1:7946, engram-2:7946',
    });
    expect(config.wal).toMatchObject({ segment_bytes: 134_217_728, retain_bytes: 1000 });
    expect(config.query.timeout_ms).toBe(2500);
    expect(config.server.allow_unauthenticated).toBe(true);
    expect(config.node.id).toBe('node-7');
    expect(config.cluster.discovery.static.seeds).toEqual([{ host: 'engram-1', port: 7946 }, { host: 'engram-2', port: 7946 }]);
  });

  test('and an empty variable counts as not set', () => {
    const loaded = resolve('', { ENGRAM_LOG_LEVEL: '', ENGRAM_CONFIG: '', ENGRAM_NOT_A_KEY: '' });
    expect(sourceOf(loaded, 'log.level')).toBe('default');
  });

  test('from a file that begins with a byte order mark and ends its lines the Windows way', () => {
    expect(resolve('\uFEFF[log]\r\nlevel = "warn"\r\n').config.log.level).toBe('warn');
  });
});

test('an optional key that nobody sets is absent', () => {
  expect('id' in resolve().config.node).toBe(false);
});

test('the configuration is frozen to the last list', () => {
  const { config } = resolve();
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.server.http_bind)).toBe(true);
  expect(Object.isFrozen(config.cluster.discovery.static.seeds)).toBe(true);
});

describe('other spellings', () => {
  test('of the file set the canonical key and say how they were written', () => {
    const loaded = resolve('[storage]\npath = "/var/lib/engram"\n[api]\nhttp_port = 8081\ngrpc_port = 8080\n[cluster]\nmode = "single"\nnode_id = "node-1"\n');
    expect(loaded.config.node).toEqual({ id: 'node-1', data_dir: '/var/lib/engram' });
    expect(loaded.config.server.http_bind).toEqual({ host: '127.0.0.1', port: 8081 });
    expect(loaded.config.server.grpc_bind).toEqual({ host: '127.0.0.1', port: 8080 });
    expect(loaded.config.cluster.enabled).toBe(false);
    expect(sourceOf(loaded, 'node.data_dir')).toBe('engram.toml:2 (as storage.path)');
  });

  test('of discovery reach the table of their source', () => {
    const { config } = resolve('[cluster]\ndiscovery = "dns"\n[cluster.dns]\nservice = "engram.internal"\nrefresh_interval_sec = 10\n[cluster.seed_nodes]\naddrs = ["a:1"]\n');
    expect(config.cluster.discovery.sources).toEqual(['dns']);
    expect(config.cluster.discovery.dns).toEqual({ name: 'engram.internal', port: 7946, refresh_ms: 10_000, timeout_ms: 2_000 });
    expect(config.cluster.discovery.static.seeds).toEqual([{ host: 'a', port: 1 }]);
  });

  test('work as variables', () => {
    const { config } = resolve('', { ENGRAM_CLUSTER_NODE_ID: 'pod-0', ENGRAM_CLUSTER_MODE: 'single', ENGRAM_CLUSTER_DISCOVERY_METHOD: 'kubernetes' });
    expect(config.node.id).toBe('pod-0');
    expect(config.cluster.discovery.sources).toEqual(['kubernetes']);
  });
});

test('variables that Kubernetes adds for a Service named engram are left alone', () => {
  const loaded = resolve('', {
    ENGRAM_SERVICE_HOST: '10.0.0.1',
    ENGRAM_SERVICE_PORT: '7432',
    ENGRAM_SERVICE_PORT_HTTP: '7432',
    ENGRAM_PORT: 'tcp://10.0.0.1:7432',
    ENGRAM_PORT_7432_TCP: 'tcp://10.0.0.1:7432',
    ENGRAM_PORT_7432_TCP_ADDR: '10.0.0.1',
    ENGRAM_PORT_7432_TCP_PROTO: 'tcp',
  });
  expect([...loaded.provenance.values()].every((source) => source.kind === 'default')).toBe(true);
});

describe('warnings', () => {
  test('say that an exposed node without authentication is open to everybody', () => {
    const { warnings } = resolve('[server]\nhttp_bind = "0.0.0.0:7432"\nallow_unauthenticated = true\n');
    expect(warnings).toEqual([{ key: 'server.http_bind', source: 'engram.toml:2', message: 'server.http_bind listens for every network this machine is on without authentication: everybody who reaches it may read, write and forget.' }]);
  });

  test('say which keys nothing reads yet', () => {
    const { warnings } = resolve('[cluster.swim]\npreset = "fast"\n[consolidation]\ninterval_ms = "1m"\n');
    expect(warnings).toEqual([
      { key: 'consolidation.interval_ms', source: 'engram.toml:4', message: 'consolidation.interval_ms has no effect yet: this version neither consolidates nor compares copies.' },
      { key: 'cluster.swim.preset', source: 'engram.toml:2', message: 'cluster.swim.preset has no effect while cluster.enabled is false.' },
    ]);
  });

  test('say nothing of a cluster in order, and what of it nothing reads yet', () => {
    expect(resolve('[cluster]\nenabled = true\nname = "orders"\nswim.preset = "fast"\nreplication.factor = 1\n').warnings).toEqual([]);
    const { warnings } = resolve('[cluster]\nenabled = true\ngossip.interval_ms = 1000\n');
    expect(warnings.map(({ message }) => message)).toEqual(['cluster.gossip.interval_ms has no effect yet: this version neither consolidates nor compares copies.']);
  });

  test('say that SWIM without keys believes everybody', () => {
    const { warnings } = resolve('[cluster]\nenabled = true\nswim.bind = "10.0.0.5:7946"\n[server]\nallow_unauthenticated = true\n');
    expect(warnings.map(({ message }) => message)).toContainEqual('cluster.swim.bind listens for other machines without keys: everybody who reaches it may say who is in the cluster.');
  });

  test('say that gRPC cannot carry the longest memories', () => {
    expect(resolve('[network]\nmax_message_size = "512KiB"\n').warnings).toMatchObject([{ key: 'network.max_message_size' }]);
  });

  test('are none for the defaults', () => {
    expect(resolve().warnings).toEqual([]);
  });
});

describe('the file', () => {
  const directory = mkdtempSync(join(tmpdir(), 'engram-config-'));
  afterAll(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'engram.toml');
  writeFileSync(file, '[node]\nid = "from-file"\n');

  test('is the one that is named', () => {
    expect(loadConfig({ file }).config.node.id).toBe('from-file');
  });

  test('is the one of ENGRAM_CONFIG when none is named', () => {
    expect(loadConfig({ env: { ENGRAM_CONFIG: file } }).config.node.id).toBe('from-file');
  });

  test('must exist', () => {
    const missing = join(directory, 'missing.toml');
    expect(() => loadConfig({ file: missing, env: { ENGRAM_LOG_LEVEL: 'loud' } })).toThrow(ConfigError);
    const problems = problemsOf(() => loadConfig({ file: missing, env: { ENGRAM_LOG_LEVEL: 'loud' } }));
    expect(problems).toMatchObject([
      { key: '--config', value: JSON.stringify(missing), reason: 'does not exist' },
      { key: 'log.level', source: 'ENGRAM_LOG_LEVEL' },
    ]);
  });

  test('must be a file', () => {
    expect(problemsOf(() => loadConfig({ env: { ENGRAM_CONFIG: directory } }))).toMatchObject([{ key: 'ENGRAM_CONFIG', reason: 'is a directory, not a file' }]);
  });
});

describe('lines are named', () => {
  test('for dotted keys, quoted keys and inline tables', () => {
    const loaded = resolve('log.level = "warn"\n\n["query"]\n"timeout_ms" = 10\n[cluster]\nswim = { preset = "wan" }\n');
    expect(sourceOf(loaded, 'log.level')).toBe('engram.toml:1');
    expect(sourceOf(loaded, 'query.timeout_ms')).toBe('engram.toml:4');
    expect(sourceOf(loaded, 'cluster.swim.preset')).toBe('engram.toml:6');
  });

  test('past a multi-line string that looks like keys', () => {
    const problems = problemsOf(() => resolve('[node]\nid = """\nlevel = 1\n[log]\n"""\n[log]\nlevel = 1\n'));
    expect(problems.map(({ key, source }) => [key, source])).toEqual([['node.id', 'engram.toml:2'], ['log.level', 'engram.toml:7']]);
  });
});

function problemsOf(action: () => unknown): ConfigError['problems'] {
  try {
    action();
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  throw new Error('nothing was wrong');
}
