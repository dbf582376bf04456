import { expect, test } from 'vitest';
import { loopbackTraffic } from './network.js';
import { ratios, renderMembership, type Row } from './report.js';

const row = (kind: 'engram' | 'serf', profile: string, scale: number, changes: Partial<Row> = {}): Row => ({
  kind, profile, nodes: 8, encrypted: false, falseDeaths: 0, loadAverage: { idle: 0.5, kills: 1.25 },
  idle: { bytesPerSecond: 100 * scale, meteredBytesPerSecond: kind === 'engram' ? 99 : undefined, processorPercent: 0.2 * scale, residentBytes: 2 ** 24 * scale },
  detections: [1, 3, 2].map((times) => ({ firstMs: 1_000 * times * scale, allMs: 1_100 * times * scale })),
  ...changes,
});

test('a row stands beside the row of Serf with as many nodes, the nearest profile and the same secrecy', () => {
  const rows = [row('engram', 'fast', 1), row('serf', 'lan', 9), row('serf', 'local', 4, { encrypted: true }), row('serf', 'local', 2, { nodes: 32 }), row('serf', 'local', 2)];
  expect(ratios(rows)).toEqual(['engram fast ÷ serf local, 8 nodes: first observer p50 0.50 · all observers p50 0.50 · idle bytes 0.50 · CPU 0.50 · resident 0.50']);
});

test('what was not measured is in no ratio', () => {
  const nobodyKilled = { detections: [] };
  const rows = [row('engram', 'lan', 1, nobodyKilled), row('serf', 'lan', 2, { ...nobodyKilled, idle: { bytesPerSecond: undefined, meteredBytesPerSecond: undefined, processorPercent: undefined, residentBytes: 2 ** 23 } })];
  expect(ratios(rows)).toEqual(['engram lan ÷ serf lan, 8 nodes: resident 2.00']);
});

test('without Serf there is a table and no ratio', () => {
  const text = renderMembership({ format: 1, machine: { cores: 2, memoryGiB: 4, platform: 'linux x64', node: 'v20' }, idleSeconds: 20, rows: [row('engram', 'lan', 1)], notes: ['a note'] });
  expect(text.split('\n').slice(2)).toEqual([
    '            nodes  kills  first p50     max  all p50     max  idle B/s  metered     CPU  resident  false deaths  load idle, kills',
    'engram lan      8      3     2.00 s  3.00 s   2.20 s  3.30 s       100       99  0.20 %    16 MiB             0          0.5, 1.3',
    '',
    'a note',
  ]);
});

test('traffic is read from the loopback device of the namespace, and its absence is no silent zero', () => {
  const header = 'Inter-|   Receive\n face |bytes    packets errs\n';
  expect(loopbackTraffic(`${header}    lo:  123456     789    0    0\n`)).toEqual({ bytes: 123_456, packets: 789 });
  expect(() => loopbackTraffic(header)).toThrow('no loopback');
});
