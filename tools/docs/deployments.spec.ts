import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const prometheus = join(root, 'deployments/prometheus');
const alerts = readFileSync(join(prometheus, 'engram-alerts.yml'), 'utf8');

describe('the alerts', () => {
  test('speak only of metrics that the node has', () => {
    const known = new Set(readFileSync(join(root, 'docs/metrics.md'), 'utf8').match(/engram_[a-z_]+/g));
    const named = alerts.match(/\bengram_[a-z_]+/g)!.map((name) => name.replace(/_(bucket|sum|count)$/, ''));
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((name) => !known.has(name))).toEqual([]);
  });

  test('use only recorded series that are recorded', () => {
    const recorded = new Set([...alerts.matchAll(/record: (\S+)/g)].map(([, name]) => name));
    const used = alerts.match(/\bengram:[a-z_]+:[a-z0-9_]+/g)!;
    expect(used.filter((name) => !recorded.has(name))).toEqual([]);
  });

  test('lead to runbooks that exist', () => {
    const runbooks = [...alerts.matchAll(/runbook: (\S+)/g)].map(([, path]) => path!);
    expect(runbooks.length).toBe(alerts.match(/- alert:/g)!.length);
    expect(runbooks.filter((path) => !existsSync(join(root, path)))).toEqual([]);
  });

  const promtool = spawnSync('promtool', ['--version']).status === 0;
  if (!promtool) console.log('skipped: promtool (Debian package prometheus) is not here, so the syntax of the rules is not checked');
  test.runIf(promtool)('are valid for Prometheus', () => {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', join(prometheus, 'prometheus.yml')], { encoding: 'utf8' });
    expect({ status, output: stdout + stderr }).toMatchObject({ status: 0 });
  });
});
