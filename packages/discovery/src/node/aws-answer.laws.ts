import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { wildJson } from '../../test/wild-json.js';
import { readEndpoint } from '../core/endpoint.js';
import { collectReservations, isRegion, nextToken } from './aws-answer.js';
import { CollectedEndpoints } from './collected-endpoints.js';

describe('whatever EC2 answers', () => {
  test('parsing ends in readable endpoints, each once, and never throws', () => {
    const keys = ['Reservations', 'Instances', 'State', 'Name', 'PrivateIpAddress', 'PublicIpAddress', 'Ipv6Address', 'NextToken'];
    fc.assert(
      fc.property(wildJson(keys), fc.boolean(), (json, privateIp) => {
        const found = new CollectedEndpoints();
        collectReservations(found, json, { port: 7946, privateIp });
        const { endpoints } = found.answer();
        expect(endpoints.every((endpoint) => readEndpoint(endpoint) !== undefined)).toBe(true);
        expect(nextToken(json) ?? 'x').not.toBe('');
      }),
      { numRuns: 500 },
    );
  });

  test('every running instance is found, whatever stands beside it', () => {
    const instances = fc.array(fc.ipV4().filter((ip) => ip !== '0.0.0.0'));
    fc.assert(
      fc.property(instances, wildJson(['State', 'Instances']), (hosts, wild) => {
        const found = new CollectedEndpoints();
        const Reservations = hosts.flatMap((PrivateIpAddress) => [wild, { Instances: [wild, { State: { Name: 'running' }, PrivateIpAddress }] }]);
        collectReservations(found, { Reservations }, { port: 7946, privateIp: true });
        for (const host of hosts) expect(found.answer().endpoints).toContain(`${host}:7946`);
      }),
      { numRuns: 200 },
    );
  });

  test('a region never holds what could lead to another host', () => {
    fc.assert(fc.property(fc.string({ unit: fc.constantFrom(...'eu-west1./:@#%') }), (text) => isRegion(text) === false || /^[a-z0-9-]+$/.test(text)), { numRuns: 1_000 });
  });
});
