export { metricDefinitions, operations, type BatchOutcome, type MetricDefinition, type MetricName, type Operation } from './definitions.js';
export { renderMetricsReference } from './reference.js';
export { ServerMetrics, type MetricSources } from './registry.js';
