import type { RunReport } from '../run-plan.js';
import { verdictLine } from '../cli/show-report.js';
import { quantile, shown } from '../statistics.js';
import { escaped } from './escaped.js';
import type { Story } from './story.js';
import { nodesShown, timelineSvg } from './timeline.js';

const actionsShownMax = 1_000;

/** A page that stands by itself: no script, nothing from the network, which its own policy forbids. `again` is the command that replays. */
export function reportPage(report: RunReport, story: Story, again: string): string {
  const { plan, counts, checks, samples, hash } = report;
  const violations = checks.flatMap((check) => check.violations);
  const title = `netsim: ${plan.scenario}, seed ${plan.seed}`;
  const facts: readonly (readonly [string, string])[] = [
    ['again', again],
    ['trace hash', hash],
    ['nodes', `${plan.names.length}${plan.spares.length > 0 ? ` and ${plan.spares.length} spares` : ''}, preset ${plan.preset}${plan.lifeguard ? '' : ', Lifeguard off'}${plan.flaw === undefined ? '' : `, planted flaw ${plan.flaw}`}`],
    ['links', Object.keys(plan.link).length === 0 ? 'a local network without faults' : JSON.stringify(plan.link)],
    ['time', `${(counts.virtualMs / 1_000).toFixed(1)} s of the world, ${counts.events} events`],
    ['happened', `${counts.faults} faults; ${counts.datagrams} datagrams, ${counts.dropped} dropped; ${counts.probes} probes, ${counts.suspicions} suspicions, ${counts.deaths} deaths, ${counts.refutations} refutations as seen by members`],
  ];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(title)} <span class="verdict ${report.verdict}">${escaped(verdictLine(report))}</span></h1>
<table>${facts.map(([name, value]) => `<tr><th>${escaped(name)}</th><td><code>${escaped(value)}</code></td></tr>`).join('')}</table>
<h2>Violations</h2>
${violations.length === 0 ? '<p>None.</p>' : `<ol class="violations">${checks.flatMap(({ checker, violations: found }) => found.map((violation) => `<li><b>${escaped(checker)}</b> ${escaped(violation)}</li>`)).join('')}</ol>`}
<h2>Timeline</h2>
<p class="legend"><i class="alive"></i> runs <i class="paused"></i> frozen <i class="dead"></i> does not run <i class="partition"></i> cut <i class="disturb"></i> disturbed. Strokes under a bar are what others say of the node: <i class="member-joined"></i> joined, restarted or recovered <i class="member-suspect"></i> suspect <i class="member-dead"></i> dead <i class="member-left"></i> left.</p>
${omissions(report, story)}
${timelineSvg(plan, story, violations)}
<h2>Checks</h2>
<table>${checks.map(({ checker, violations: found }) => `<tr><th>${escaped(checker)}</th><td>${found.length === 0 ? 'ok' : 'FAIL'}</td></tr>`).join('')}</table>
<h2>Measured</h2>
<table>${Object.entries(samples).filter(([, values]) => values.length > 0).map(([name, values]) => `<tr><th>${escaped(name)}</th><td>p50 ${shown(quantile(values, 0.5))}, most ${shown(quantile(values, 1))}, of ${values.length}</td></tr>`).join('')}</table>
<h2>Schedule</h2>
<ol class="schedule">${plan.schedule.slice(0, actionsShownMax).map((action) => `<li><code>${escaped(JSON.stringify(action))}</code></li>`).join('')}</ol>
</body>
</html>
`;
}

/** What the drawing leaves out is said, or it would pass for all there was. */
function omissions({ plan }: RunReport, { viewsLeftOut }: Story): string {
  const hidden = plan.names.length + plan.spares.length - nodesShown(plan).length;
  const said = [
    ...(hidden > 0 ? [`${hidden} nodes are not drawn.`] : []),
    ...(viewsLeftOut > 0 ? [`${viewsLeftOut} later changes of views are not drawn.`] : []),
    ...(plan.schedule.length > actionsShownMax ? [`The schedule below ends after ${actionsShownMax} of ${plan.schedule.length} actions.`] : []),
  ];
  return said.length === 0 ? '' : `<p>${said.join(' ')}</p>`;
}

const style = `
body { font: 14px/1.5 system-ui, sans-serif; margin: 1.5em; color: #222; background: #fff; }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin: 1.2em 0 .3em }
th { text-align: left; padding-right: 1em; font-weight: 600; vertical-align: top }
.verdict { padding: .1em .5em; border-radius: .3em; color: #fff } .passed { background: #2e7d32 } .failed { background: #c62828 } .void { background: #757575 }
svg { width: 100%; min-width: 900px } text { font: 10px system-ui, sans-serif; fill: #222 }
.tick { text-anchor: middle; fill: #666 } .node { text-anchor: end } .epoch { font-size: 8px; fill: #fff }
.grid { stroke: #ddd }
rect.alive, i.alive { fill: #43a047; background: #43a047 } rect.paused, i.paused { fill: #ffb300; background: #ffb300 } rect.dead, i.dead { fill: #cfcfcf; background: #cfcfcf }
rect.partition, rect.block, i.partition { fill: #ef9a9a; background: #ef9a9a } rect.disturb, i.disturb { fill: #ffe082; background: #ffe082 }
line.member-joined, line.member-restarted, line.member-recovered { stroke: #1e88e5 } line.member-suspect { stroke: #fb8c00 } line.member-dead { stroke: #d50000 } line.member-left, line.member-forgotten { stroke: #616161 } line.member-updated { stroke: #ab47bc }
i.member-joined { background: #1e88e5 } i.member-suspect { background: #fb8c00 } i.member-dead { background: #d50000 } i.member-left { background: #616161 }
i { display: inline-block; width: 1em; height: .8em; margin-left: .8em }
.violation { stroke: #d50000; stroke-dasharray: 4 3 } .violation-number { fill: #d50000; font-weight: bold }
path.view { fill: none; stroke: #3949ab; opacity: .5 }
`;
