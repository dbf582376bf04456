import { expect, test } from 'vitest';
import { canonicalHost, parseEndpoint, readEndpoint, spelled } from './endpoint.js';

test.each([
  ['10.0.0.5:7946', '10.0.0.5:7946'],
  ['10.0.0.5', '10.0.0.5:7946'],
  ['Engram-0.Prod.Example.COM:80', 'engram-0.prod.example.com:80'],
  ['engram_1.local.:80', 'engram_1.local.:80'],
  ['[FD00::0:5]:1', '[fd00::5]:1'],
  ['[fd00::5]', '[fd00::5]:7946'],
  ['fd00::5', '[fd00::5]:7946'],
  ['::', '[::]:7946'],
  ['[::ffff:10.0.0.5]:9', '10.0.0.5:9'],
  ['[::ffff:a00:5]:9', '10.0.0.5:9'],
  ['[fe80::1%eth0]:9', '[fe80::1%eth0]:9'],
  ['[1:0:0:2:0:0:0:3]:9', '[1:0:0:2::3]:9'],
  ['[0:1:0:1:0:1:0:1]:9', '[0:1:0:1:0:1:0:1]:9'],
])('%s is spelled %s', (text, spelling) => {
  expect(spelled(parseEndpoint(text, 'seed'))).toBe(spelling);
});

test.each(['', ':', ':80', 'a:', 'a:0', 'a:65536', 'a:123456', 'a:b', '1.2.3', '1.2.3.256:1', '01.2.3.4:1', '[::1', '::1]', '[a]:1', '[1.2.3.4]:1', '[::1]:x', 'a b:1', '-a:1', 'a..b:1', '[::1%]:1', '1::2::3', `${'a'.repeat(254)}:1`, 'a\0b:1', '[[::1]]:1'])(
  '%j is no endpoint, and the complaint names what was read',
  (text) => {
    expect(readEndpoint(text)).toBeUndefined();
    expect(() => parseEndpoint(text, 'seeds[3]')).toThrow(/^seeds\[3\] must be "host:port"/);
  },
);

test.each([undefined, null, 7, {}, ['a:1']])('%j, which is no text, is no endpoint', (value) => {
  expect(readEndpoint(value)).toBeUndefined();
});

test('a name keeps its trailing dot, because without it a search list would apply', () => {
  expect(canonicalHost('A.example.')).toBe('a.example.');
});
