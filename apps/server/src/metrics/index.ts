export { metricDefinitions, operations, type BatchOutcome, type MetricDefinition, type MetricName, type Operation, type RequestRoute } from './definitions.js';
export { renderMetricsReference } from './reference.js';
export { ServerMetrics, type MetricSources } from './registry.js';
