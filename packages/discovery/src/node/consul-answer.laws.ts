import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { healthEntry } from '../../test/consul-fixtures.js';
import { wildJson } from '../../test/wild-json.js';
import { readEndpoint } from '../core/endpoint.js';
import { endpointsOfCatalogue, endpointsOfHealth, nextIndex } from './consul-answer.js';

describe('whatever Consul answers', () => {
  test('parsing ends in readable endpoints, each once and 1,024 at most, or in nothing', () => {
    fc.assert(
      fc.property(wildJson(['Service', 'Node', 'Address', 'Port', 'ServiceAddress', 'ServicePort']), (json) => {
        for (const parse of [endpointsOfHealth, endpointsOfCatalogue]) {
          const endpoints = parse(json)?.endpoints ?? [];
          expect(endpoints.length).toBeLessThanOrEqual(1_024);
          expect(new Set(endpoints).size).toBe(endpoints.length);
          expect(endpoints.every((endpoint) => readEndpoint(endpoint) !== undefined)).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('every well-formed service is found, whatever stands between', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.ipV4().filter((ip) => ip !== '0.0.0.0'), fc.integer({ min: 1, max: 65_535 }))), wildJson(['Service']), (services, wild) => {
        const entries = services.flatMap(([host, port]) => [wild, healthEntry('', host, port)]);
        const found = endpointsOfHealth(entries)?.endpoints;
        for (const [host, port] of services) expect(found).toContain(`${host}:${port}`);
      }),
      { numRuns: 200 },
    );
  });

  test('the next index is zero or at least the one before', () => {
    fc.assert(
      fc.property(fc.nat(), fc.oneof(fc.nat().map(String), fc.string(), fc.constant(undefined)), (waited, header) => {
        const next = nextIndex(waited, header);
        expect(next === 0 || next >= waited).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
