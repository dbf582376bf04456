import { momentOf } from '../checkers/checker.js';
import type { Plan } from '../plan.js';
import { escaped } from './escaped.js';
import { lifeSpans, networkSpans, type Span } from './spans.js';
import type { Story, ViewChange } from './story.js';

const labelWidth = 130;
const plotWidth = 1_100;
const axisHeight = 28;
const networkRowHeight = 18;
const nodeRowHeight = 26;
const chartHeight = 120;
/** More rows than these are no picture any more. */
const nodesShownMax = 200;
const networkRowsMax = 60;

/** The nodes that are drawn: all, or those to which something happens before the others. */
export function nodesShown(plan: Plan): readonly string[] {
  const all = [...plan.names, ...plan.spares];
  if (all.length <= nodesShownMax) return all;
  const named = new Set(plan.schedule.flatMap((action) => ('node' in action ? [action.node] : [])));
  return [...all.filter((name) => named.has(name)), ...all.filter((name) => !named.has(name))].slice(0, nodesShownMax);
}

/**
 * The run as a drawing: what was wrong with the network, then a bar per node with what the others came to hold it for,
 * then how many each holds for here. Violations are lines across all of it. Whoever points at a thing is told what it is.
 */
export function timelineSvg(plan: Plan, story: Story, violations: readonly string[]): string {
  const nodes = nodesShown(plan);
  const cuts = networkSpans(plan.schedule, plan.endMs).slice(0, networkRowsMax);
  const x = (ms: number): number => round(labelWidth + (ms / plan.endMs) * plotWidth);
  const nodesFrom = axisHeight + cuts.length * networkRowHeight + 8;
  const chartFrom = nodesFrom + nodes.length * nodeRowHeight + 24;
  const height = chartFrom + chartHeight + 20;
  return [
    `<svg viewBox="0 0 ${labelWidth + plotWidth + 10} ${height}" role="img" aria-label="Timeline of the run">`,
    axis(plan.endMs, x, height),
    ...cuts.map((cut, i) => bar(cut, cut.kind, axisHeight + i * networkRowHeight, networkRowHeight - 4, x, cut.label)),
    ...nodes.map((node, i) => nodeRow(node, plan, story, nodesFrom + i * nodeRowHeight, x)),
    viewsChart(nodes, plan, story, chartFrom, x),
    ...violations.map((violation, i) => violationLine(violation, i + 1, height, x)),
    '</svg>',
  ].join('\n');
}

type Scale = (ms: number) => number;

const round = (value: number): number => Math.round(value * 10) / 10;
const at = (ms: number): string => `${(ms / 1_000).toFixed(3)} s`;

/** About ten lines, at round numbers of seconds. */
function axis(endMs: number, x: Scale, height: number): string {
  const rough = endMs / 1_000 / 10;
  const power = 10 ** Math.floor(Math.log10(rough));
  const everyS = ([1, 2, 5, 10].find((step) => step * power >= rough) as number) * power;
  const ticks = Array.from({ length: Math.floor(endMs / 1_000 / everyS) + 1 }, (_, i) => i * everyS);
  return ticks.map((s) => `<line class="grid" x1="${x(s * 1_000)}" x2="${x(s * 1_000)}" y1="20" y2="${height}"/><text class="tick" x="${x(s * 1_000)}" y="14">${Number(s.toFixed(3))} s</text>`).join('');
}

function bar(span: Span, className: string, y: number, height: number, x: Scale, text = ''): string {
  const width = round(Math.max(1, x(span.toMs) - x(span.fromMs)));
  const label = text === '' ? '' : `<text class="label" x="${x(span.fromMs) + 4}" y="${y + height - 4}">${escaped(shortened(text))}</text>`;
  return `<rect class="${className}" x="${x(span.fromMs)}" y="${y}" width="${width}" height="${height}"><title>${escaped(`${span.label}, ${at(span.fromMs)} to ${at(span.toMs)}`)}</title></rect>${label}`;
}

const shortened = (text: string): string => (text.length <= 100 ? text : `${text.slice(0, 99)}…`);

function nodeRow(node: string, plan: Plan, story: Story, y: number, x: Scale): string {
  const height = nodeRowHeight - 10;
  const bars = lifeSpans(node, story.lives, plan.endMs).map((span) => bar(span, span.state, y, height, x));
  const starts = story.lives.filter((event) => event.node === node && event.what === 'boot');
  const epochs = starts.map(({ atMs }, i) => `<text class="epoch" x="${x(atMs) + 2}" y="${y + height - 4}">epoch ${escaped(String(story.epochs.get(node)?.[i] ?? 'unknown'))}</text>`);
  const marks = story.views.filter((change) => change.member === node && change.observer !== node).map((change) => mark(change, y + height, x));
  return `<text class="node" x="${labelWidth - 8}" y="${y + height - 3}">${escaped(node)}</text>${bars.join('')}${epochs.join('')}${marks.join('')}`;
}

/** A stroke under the bar of the member that it is about. */
function mark({ atMs, observer, kind, member, epoch, incarnation }: ViewChange, y: number, x: Scale): string {
  const told = `${at(atMs)}: ${observer} says ${kind} of ${member}, epoch ${epoch} incarnation ${incarnation}`;
  return `<line class="${kind}" x1="${x(atMs)}" x2="${x(atMs)}" y1="${y}" y2="${y + 7}"><title>${escaped(told)}</title></line>`;
}

function viewsChart(nodes: readonly string[], plan: Plan, story: Story, y: number, x: Scale): string {
  const most = Math.max(1, plan.names.length + plan.spares.length, ...story.views.map(({ here }) => here));
  const height = (here: number): number => round(y + chartHeight - (here / most) * chartHeight);
  const lines = nodes.map((node) => {
    const steps: { readonly atMs: number; readonly here: number }[] = [
      ...story.views.filter(({ observer }) => observer === node),
      ...story.lives.filter((event) => event.node === node && (event.what === 'boot' || event.what === 'death')).map(({ atMs, what }) => ({ atMs, here: what === 'boot' ? 1 : 0 })),
    ].sort((a, b) => a.atMs - b.atMs);
    let path = `M${x(0)} ${height(0)}`;
    for (const { atMs, here } of steps) path += `H${x(atMs)}V${height(here)}`;
    return `<path class="view" d="${path}H${x(plan.endMs)}"><title>${escaped(`how many ${node} holds for here`)}</title></path>`;
  });
  return `<text class="node" x="${labelWidth - 8}" y="${y + 10}">held for here</text><text class="tick" x="${labelWidth - 12}" y="${height(most) + 24}">${most}</text><line class="grid" x1="${labelWidth}" x2="${labelWidth + plotWidth}" y1="${height(0)}" y2="${height(0)}"/>${lines.join('')}`;
}

function violationLine(violation: string, number: number, height: number, x: Scale): string {
  const atMs = momentOf(violation);
  if (atMs === undefined) return '';
  return `<line class="violation" x1="${x(atMs)}" x2="${x(atMs)}" y1="20" y2="${height}"><title>${escaped(violation)}</title></line><text class="violation-number" x="${x(atMs) + 2}" y="${height - 2}">${number}</text>`;
}
