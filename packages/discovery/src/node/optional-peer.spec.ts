import { expect, test } from 'vitest';
import { loadOptionalPeer, type OptionalPeer } from './optional-peer.js';

test('a library that is installed is loaded', async () => {
  expect(await loadOptionalPeer('kubernetes', '@kubernetes/client-node')).toHaveProperty('KubeConfig');
});

test('one that is missing is told with the command that installs it', async () => {
  const absent = 'engram-no-such-package' as OptionalPeer;
  await expect(loadOptionalPeer('aws', absent)).rejects.toMatchObject({
    code: 'discovery_failed',
    message: 'aws: the package engram-no-such-package, which this source needs, is not installed',
    hint: expect.stringMatching(/^Run: npm install engram-no-such-package/),
  });
});

test('one whose own parts are missing is told as broken, not as missing', async () => {
  const load = () => Promise.reject(Object.assign(new Error("Cannot find package 'tslib' imported from client-ec2"), { code: 'ERR_MODULE_NOT_FOUND' }));
  await expect(loadOptionalPeer('aws', '@aws-sdk/client-ec2', load)).rejects.toMatchObject({ message: expect.stringContaining('does not load'), hint: expect.stringContaining('Install it anew') });
});
