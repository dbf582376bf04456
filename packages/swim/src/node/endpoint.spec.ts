import { describe, expect, test } from 'vitest';
import type { Address } from '../core/index.js';
import { addressOf, canonicalHost, endpointOf, parseEndpoint } from './endpoint.js';

describe('what a user writes', () => {
  test.each([
    ['10.0.0.5:7946', { host: '10.0.0.5', port: 7946 }],
    ['10.0.0.5', { host: '10.0.0.5', port: 7946 }],
    ['[fd00::5]:80', { host: 'fd00::5', port: 80 }],
    ['[fd00::5]', { host: 'fd00::5', port: 7946 }],
    ['fd00:0::5', { host: 'fd00::5', port: 7946 }],
    ['Node-1.Example:1', { host: 'node-1.example', port: 1 }],
    ['api_1:0', { host: 'api_1', port: 0 }],
  ])('%s is read', (text, endpoint) => expect(parseEndpoint(text, 'seed')).toEqual(endpoint));

  test.each(['', ':7946', 'a:b', 'a:70000', '1.2.3:7946', '1.2.3.400:1', '[10.0.0.1]:1', '[::1', 'a b:1', '-a:1', 'a:1:2', `${'a'.repeat(260)}:1`, 7 as unknown as string])(
    '%j is refused by name',
    (text) => expect(() => parseEndpoint(text, 'seeds[0]')).toThrow(/seeds\[0\] must be/),
  );
});

describe('one spelling', () => {
  test.each([
    ['0:0:0:0:0:0:0:1', '::1'],
    ['FE80::1%eth0', 'fe80::1%eth0'],
    ['::ffff:127.0.0.1', '127.0.0.1'],
    ['::ffff:7f00:1', '127.0.0.1'],
    ['10.0.0.1', '10.0.0.1'],
  ])('%s is written %s', (host, canonical) => expect(canonicalHost(host)).toBe(canonical));

  test('an address is read back as it was written', () => {
    for (const [host, port] of [['::1', 1], ['10.0.0.1', 65535], ['db.local', 7946]] as const) {
      expect(endpointOf(addressOf(host, port))).toEqual({ host, port });
    }
  });

  test.each(['x', 'x:0', '[x]:1', 'x:99999', '::1', '%:1'])('%s off the wire is no endpoint, and nothing is thrown', (text) => {
    expect(endpointOf(text as Address)).toBeUndefined();
  });
});
