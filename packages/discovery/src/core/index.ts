export type { EndpointSet, SourceFailure } from './endpoint-set.js';
