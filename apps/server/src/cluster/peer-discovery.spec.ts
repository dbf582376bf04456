import { expect, test } from 'vitest';
import { resolveConfig } from '../config/index.js';
import { peerDiscovery } from './peer-discovery.js';

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

function discoveryFrom(env: Record<string, string>) {
  return peerDiscovery(resolveConfig({ env: { ENGRAM_CLUSTER_ENABLED: 'true', ...env }, flags: {} }).config.cluster, log);
}

test('a configuration without sources asks nobody', () => {
  expect(discoveryFrom({})).toBeUndefined();
});

test('static seeds are asked beside the sources that are listed', async () => {
  await using discovery = discoveryFrom({ ENGRAM_CLUSTER_DISCOVERY_SOURCES: 'multicast', ENGRAM_CLUSTER_DISCOVERY_STATIC_SEEDS: '10.0.0.5:7946' });
  expect(discovery?.health().sources.map(({ source }) => source).sort()).toEqual(['multicast', 'static']);
});

test('a source that this machine cannot have is refused by the key that asks for it', () => {
  const asked = { ENGRAM_CLUSTER_DISCOVERY_SOURCES: 'multicast', ENGRAM_CLUSTER_DISCOVERY_MULTICAST_INTERFACE: 'no-such-interface' };
  expect(() => discoveryFrom(asked)).toThrow(expect.objectContaining({
    code: 'invalid_config',
    message: expect.stringMatching(/^cluster\.discovery\.multicast cannot be used: .*no-such-interface/) as string,
    hint: expect.stringContaining('engram config check') as string,
  }) as Error);
});
