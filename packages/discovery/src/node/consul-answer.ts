import type { SourceAnswer } from '../source.js';
import { CollectedEndpoints } from './collected-endpoints.js';

/** Index of a blocking query, opaque but for being a positive number that is compared. */
export type ConsulIndex = number;

/**
 * Endpoints of `/v1/health/service/:name`: entries with `Service` and `Node`. A service without an address of its own is
 * reached at that of its node. Undefined when the answer has another shape.
 */
export function endpointsOfHealth(answer: unknown): SourceAnswer | undefined {
  return endpointsOf(answer, (entry) => {
    const service = objectOf(entry['Service']);
    return { host: service['Address'] || objectOf(entry['Node'])['Address'], port: service['Port'] };
  });
}

/** Endpoints of `/v1/catalog/service/:name`, which has the same facts in one flat object. */
export function endpointsOfCatalogue(answer: unknown): SourceAnswer | undefined {
  return endpointsOf(answer, (entry) => ({ host: entry['ServiceAddress'] || entry['Address'], port: entry['ServicePort'] }));
}

/**
 * What to wait behind next, given what was waited behind and the header `X-Consul-Index` that came. An index that goes
 * backwards means that the servers were restored, and one below 1 would make the next query return at once for ever;
 * either way the next query starts anew. (Consul API, "Blocking Queries", implementation details.)
 */
export function nextIndex(waited: ConsulIndex, header: unknown): ConsulIndex {
  const index = typeof header === 'string' && /^\d{1,15}$/.test(header) ? Number(header) : 0;
  return index < 1 || index < waited ? 0 : index;
}

function endpointsOf(answer: unknown, place: (entry: Readonly<Record<string, unknown>>) => { host: unknown; port: unknown }): SourceAnswer | undefined {
  if (!Array.isArray(answer)) return undefined;
  const found = new CollectedEndpoints();
  for (const entry of answer) {
    const { host, port } = place(objectOf(entry));
    found.add(host, port);
  }
  return found.answer();
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
