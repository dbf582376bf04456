import { describe, expect, test } from 'vitest';
import { planOf, timesOf, type Plan } from '../plan.js';
import { runPlan } from '../run-plan.js';
import { scenarioNamed } from '../scenarios/index.js';
import { escaped } from './escaped.js';
import { reportPage } from './page.js';
import { lifeSpans, networkSpans } from './spans.js';
import { storyOf, type Story } from './story.js';

function pageOf(plan: Plan, again: string): string {
  let story: Story | undefined;
  const { report } = runPlan(plan, {}, (cluster) => { story = storyOf(cluster); });
  return reportPage(report, story as Story, again);
}

const schedule = [
  { atMs: 10_000, kind: 'kill', node: 'n1' },
  { atMs: 20_000, kind: 'restart', node: 'n1' },
  { atMs: 30_000, kind: 'pause', node: 'n2', forMs: 2_000 },
  { atMs: 40_000, kind: 'partition', groups: [['n0', 'n1'], ['n2', 'n3']] },
  { atMs: 41_000, kind: 'disturb', from: 'n0', to: '*', link: { loss: 0.3 } },
  { atMs: 60_000, kind: 'heal' },
] as const;
const calm = planOf(scenarioNamed('kill-one'), { seed: '5', nodes: 4 });
const eventful: Plan = { ...calm, schedule, ...timesOf(schedule, calm.preset) };

describe('the page of a run', () => {
  const page = pageOf(eventful, 'netsim replay run.json');

  test('draws who ran, who was frozen and who was dead, and when', () => {
    expect(page).toContain('<title>n1 dead, 10.000 s to 20.000 s</title>');
    expect(page).toContain('<title>n2 paused, 30.000 s to 32.000 s</title>');
    expect(page).toMatch(/<title>n3 alive, 0\.030 s to 125\.000 s<\/title>/);
  });

  test('draws cuts and disturbances of the network until they end', () => {
    expect(page).toContain('<title>cut: n0 n1 | n2 n3, 40.000 s to 60.000 s</title>');
    expect(page).toContain('<title>disturbed: n0 → * {&quot;loss&quot;:0.3}, 41.000 s to 60.000 s</title>');
  });

  test('marks what the others came to hold a node for, with its epoch', () => {
    expect(page).toMatch(/<title>1\d\.\d{3} s: n\d says member-dead of n1, epoch \d+ incarnation \d+<\/title>/);
    expect(page).toMatch(/<title>2\d\.\d{3} s: n\d says member-joined of n1, epoch 1700000020 incarnation \d+<\/title>/);
    expect(page.match(/class="epoch"/g)?.length).toBe(5);
  });

  test('says how to have it again and that nothing was violated', () => {
    expect(page).toContain('<code>netsim replay run.json</code>');
    expect(page).toContain('<h2>Violations</h2>\n<p>None.</p>');
  });

  test('is one page that asks for nothing', () => {
    expect(page).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`);
    expect(page).not.toMatch(/<script|<link|<img|\bsrc=|\bhref=|https?:|url\(/);
  });
});

test('a violation is told with its moment, and a line is drawn there', () => {
  const plan = planOf(scenarioNamed('clean-split'), { seed: '2', flaw: 'forgets-to-refute' });
  const page = pageOf(plan, 'x');
  const { report } = runPlan(plan);
  const violation = report.checks.find(({ checker }) => checker === 'views-heal')?.violations[0] as string;
  expect(violation).toMatch(/^\d+\.\d{3} s: /);
  expect(page).toContain(`<li><b>views-heal</b> ${escaped(violation)}</li>`);
  expect(page).toContain(`<title>${escaped(violation)}</title></line>`);
  expect(page).toContain('FAILED');
});

test('whatever a file says, it cannot become part of the page', () => {
  const evil = `<script>alert("1")</script>'`;
  const page = pageOf({ ...calm, seed: evil, schedule: [], endMs: 20_000, healedAtMs: 0, healMs: 10_000 }, `netsim replay ${evil}`);
  expect(page).not.toContain('<script');
  expect(page).toContain('netsim replay &lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&#39;');
});

test('a node is dead until it boots, and a pause that a death ends is over', () => {
  const spans = lifeSpans('a', [{ atMs: 5, node: 'a', what: 'boot' }, { atMs: 6, node: 'b', what: 'boot' }, { atMs: 7, node: 'a', what: 'pause' }, { atMs: 8, node: 'a', what: 'pause' }, { atMs: 9, node: 'a', what: 'death' }], 20);
  expect(spans.map(({ state, fromMs, toMs }) => [state, fromMs, toMs])).toEqual([['dead', 0, 5], ['alive', 5, 7], ['paused', 7, 9], ['dead', 9, 20]]);
});

test('a partition ends with the next one, a block only when healed', () => {
  const spans = networkSpans([
    { atMs: 1, kind: 'block', from: ['a'], to: ['b'] }, { atMs: 2, kind: 'partition', groups: [['a'], ['b']] }, { atMs: 3, kind: 'partition', groups: [['b'], ['c']] }, { atMs: 4, kind: 'heal' }, { atMs: 5, kind: 'block', from: ['*'], to: ['a'] },
  ], 9);
  expect(spans.map(({ kind, fromMs, toMs }) => [kind, fromMs, toMs])).toEqual([['block', 1, 4], ['partition', 2, 3], ['partition', 3, 4], ['block', 5, 9]]);
});
