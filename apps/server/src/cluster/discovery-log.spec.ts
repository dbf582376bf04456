import type { DiscoveryEvent } from '@engram/discovery';
import { expect, test } from 'vitest';
import { DiscoveryLog } from './discovery-log.js';

function logged(events: readonly DiscoveryEvent[]): string[] {
  const lines: string[] = [];
  const write = (level: string) => (details: object, message: string) => void lines.push(`${level} ${message.split(/[;,]/, 1)[0]} ${JSON.stringify(details)}`);
  const log = new DiscoveryLog({ info: write('info'), warn: write('warn'), error: write('error') });
  for (const event of events) log.note(event);
  return lines;
}

const failed = (consecutiveFailures: number, reason = 'nothing listens there'): DiscoveryEvent => ({ kind: 'source-failed', source: 'dns', reason, hint: 'Look.', consecutiveFailures });
const times = (lines: readonly string[]): number[] => lines.filter((line) => line.startsWith('warn')).map((line) => Number(/"failures":(\d+)/.exec(line)?.[1]));

test('the same failure is told ever more seldom', () => {
  expect(times(logged(Array.from({ length: 100 }, (_, at) => failed(at + 1))))).toEqual([1, 2, 4, 8, 16, 32, 64]);
});

test('another reason is told at once, and so is the first failure after an answer', () => {
  expect(times(logged([failed(1), failed(2), failed(3), failed(4, 'too late')]))).toEqual([1, 2, 4]);
  expect(times(logged([failed(1), failed(2), failed(3), { kind: 'source-recovered', source: 'dns', afterFailures: 3 }, failed(1)]))).toEqual([1, 2, 1]);
});

test('sources are counted apart, and so are looking up, watching and registering', () => {
  const lines = logged([
    failed(1),
    { ...failed(1), source: 'etcd' } as DiscoveryEvent,
    { kind: 'watch-ended', source: 'etcd', reason: 'nothing listens there' },
    { kind: 'registration-failed', source: 'etcd', reason: 'nothing listens there', hint: 'Look.' },
    { kind: 'registered', source: 'etcd' },
  ]);
  expect(lines.map((line) => line.split(' {', 1)[0])).toEqual([
    'warn a source of discovery failed',
    'warn a source of discovery failed',
    'info a source of discovery is no longer watched',
    'warn this node could not be registered with a source of discovery',
    'info registered this node with a source of discovery',
  ]);
});

test('every peer that comes is told with the sources that name it', () => {
  const set = { endpoints: ['10.0.0.5:7946'], bySource: [], complete: true, failures: [] } as never;
  const added = [{ endpoint: '10.0.0.5:7946', sources: ['static', 'dns'] }];
  expect(logged([{ kind: 'endpoints-changed', added, removed: [], set }])).toEqual(['info discovery found a peer {"endpoint":"10.0.0.5:7946","sources":["static","dns"]}']);
});
