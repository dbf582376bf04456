import { EngramError, isWellFormed, OptionsError } from '@engram/kernel';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { apiAddress, below } from './api-address.js';

const defaults = { scheme: 'http', port: 8_500 } as const;

describe('an address', () => {
  test.each([
    ['consul', 'http://consul:8500/'],
    ['consul:80', 'http://consul/'],
    ['10.0.0.1:8501', 'http://10.0.0.1:8501/'],
    ['[fd00::1]:8501', 'http://[fd00::1]:8501/'],
    ['https://consul.example', 'https://consul.example:8500/'],
    ['https://consul.example:443', 'https://consul.example/'],
    ['https://proxy.example:8443/consul/', 'https://proxy.example:8443/consul/'],
  ])('%s is read as %s', (text, read) => expect(apiAddress('address', text, defaults).href).toBe(read));

  test('is an http address without user, query or fragment, or is refused by name', () => {
    const pieces = fc.constantFrom('http://', 'https://', 'ftp://', 'host', '10.0.0.1', '[::1]', ':8500', ':0', '@', 'user:pw', '/path', '?q=1', '#f', ' ', '\\', '%', '..');
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.array(pieces, { maxLength: 5 }).map((parts) => parts.join(''))), (text) => {
        try {
          const { protocol, username, password, search, hash } = apiAddress('address', text, defaults);
          expect(protocol).toMatch(/^https?:$/);
          expect(username + password + search + hash).toBe('');
        } catch (error) {
          expect(error).toBeInstanceOf(OptionsError);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});

test('a path below an address stays below it, whatever the names in it are', () => {
  const base = new URL('http://consul:8500/behind/proxy');
  const name = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('.', '/', '\\', '%', '2', 'e', 'E', 'f', '?', '#', '@', ':', '\n', '\t', '\ud800') }));
  fc.assert(
    fc.property(name, (text) => {
      try {
        const url = below(base, ['v1', 'service', text]);
        expect(url.origin).toBe(base.origin);
        expect(url.search + url.hash).toBe('');
        const parts = url.pathname.split('/');
        expect(parts.slice(0, -1).join('/')).toBe('/behind/proxy/v1/service');
        expect(decodeURIComponent(parts.at(-1) ?? '')).toBe(text);
      } catch (error) {
        expect(error).toBeInstanceOf(EngramError);
        expect(text === '' || /^[.%2eE]*$/.test(text) || !isWellFormed(text)).toBe(true);
      }
    }),
    { numRuns: 2_000 },
  );
});
