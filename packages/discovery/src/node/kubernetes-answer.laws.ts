import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { pod } from '../../test/kubernetes-fixtures.js';
import { wildJson } from '../../test/wild-json.js';
import { readEndpoint } from '../core/endpoint.js';
import { keyOf, listPage, watchEvent, type KubernetesResource } from './kubernetes-answer.js';
import { KubernetesObjects } from './kubernetes-objects.js';

const keys = ['metadata', 'items', 'resourceVersion', 'continue', 'type', 'object', 'uid', 'name', 'status', 'spec', 'podIP', 'phase', 'containers', 'ports', 'containerPort', 'endpoints', 'addresses', 'conditions', 'code'];
const resources: readonly KubernetesResource[] = ['pods', 'endpointslices'];

describe('whatever Kubernetes answers', () => {
  test('parsing ends in readable endpoints, each once, and never throws', () => {
    fc.assert(
      fc.property(fc.array(wildJson(keys), { maxLength: 8 }), fc.constantFrom(...resources), fc.constantFrom({ number: 7946 }, { name: 'swim' }), (jsons, resource, port) => {
        const objects = new KubernetesObjects(resource, port);
        for (const json of jsons) {
          for (const object of [json, ...(listPage(json)?.objects ?? [])]) objects.add(object);
          const event = watchEvent(json);
          if (event?.kind === 'present') objects.set(event.key, event.object);
          if (event?.kind === 'gone') objects.delete(event.key);
        }
        const { endpoints } = objects.answer();
        expect(endpoints.every((endpoint) => readEndpoint(endpoint) !== undefined)).toBe(true);
        expect(new Set(endpoints).size).toBe(endpoints.length);
      }),
      { numRuns: 500 },
    );
  });

  test('following the events ends where a list of what is left begins', () => {
    const change = fc.record({ name: fc.constantFrom('a', 'b', 'c', 'd'), present: fc.boolean(), host: fc.integer({ min: 1, max: 9 }), terminating: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change), (changes) => {
        const followed = new KubernetesObjects('pods', { number: 7946 });
        const left = new Map<string, unknown>();
        for (const { name, present, host, terminating } of changes) {
          const object = pod(name, { ip: `10.0.0.${host}`, terminating });
          if (present) left.set(name, object);
          else left.delete(name);
          if (present) followed.set(keyOf(object) ?? '', object);
          else followed.delete(keyOf(object) ?? '');
        }
        const listed = new KubernetesObjects('pods', { number: 7946 });
        for (const object of left.values()) listed.add(object);
        expect([...followed.answer().endpoints].sort()).toEqual([...listed.answer().endpoints].sort());
      }),
      { numRuns: 300 },
    );
  });
});
