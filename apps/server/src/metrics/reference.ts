import { metricDefinitions, type MetricDefinition } from './definitions.js';

/** `docs/metrics.md`, made from the table of definitions so that the two cannot drift apart. */
export function renderMetricsReference(): string {
  const sections = Object.entries<MetricDefinition>(metricDefinitions).map(([name, definition]) => section(name, definition));
  return `${[
    '# Metrics',
    'Every node serves these at `GET /metrics` in the Prometheus text format. Labels have a fixed set of values; ids of spaces and memories are never labels.',
    ...sections,
    '## Of the process',
    'Beside these, the process itself is described by the usual metrics of Node.js programs, whose names begin with `process_` and `nodejs_`: CPU time, resident memory, heap, open file descriptors, event loop lag and garbage collection.',
    '<!-- Generated from apps/server/src/metrics/definitions.ts: UPDATE=1 npx vitest run --project server src/metrics -->',
  ].join('\n\n')}\n`;
}

function section(name: string, { type, help, labels = {}, buckets }: MetricDefinition): string {
  const lines = [`## \`${name}\``, `${capitalised(type)}. ${help}`];
  const listed = Object.entries(labels).map(([label, values]) => `- \`${label}\`: ${values}`);
  if (listed.length > 0) lines.push(listed.join('\n'));
  if (buckets) lines.push(`Buckets: ${buckets.join(', ')}.`);
  return lines.join('\n\n');
}

function capitalised(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1);
}
