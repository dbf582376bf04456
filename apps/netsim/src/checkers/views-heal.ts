import type { SimulatedNode } from '@engram/swim/testing';
import { seconds, type MakeChecker, type Setting } from './checker.js';

const everyMs = 250;

/**
 * No wrong view is permanent: within `healMs` after the last fault, every running member holds exactly the running ones
 * for here, and it stays so. A suspect still counts as here. Measures how long healing took.
 */
export const viewsHeal: MakeChecker = (setting) => {
  const { plan, cluster } = setting;
  const firstWrongView = viewJudge(setting);
  let lastWrongMs = plan.healedAtMs;
  let lastWrong: string | undefined;
  for (let atMs = plan.healedAtMs; atMs <= plan.endMs; atMs += everyMs) {
    cluster.world.at(atMs, () => {
      const wrong = firstWrongView();
      if (wrong === undefined) return;
      lastWrongMs = atMs + everyMs;
      lastWrong = wrong;
    });
  }
  return {
    name: 'views-heal',
    conclude() {
      const tookMs = lastWrongMs - plan.healedAtMs;
      const violations = tookMs > plan.healMs ? [`${seconds(lastWrongMs)}: ${seconds(tookMs)} after the last fault a view was still wrong: ${lastWrong}`] : [];
      return { violations, samples: { healMs: [tookMs] } };
    },
  };
};

/** Finds the first wrong view, looking again only at what has changed: in a large cluster that is hardly anything. */
function viewJudge({ plan, cluster }: Setting): () => string | undefined {
  const clusterOf = (name: string): string => plan.clusterOf[name] ?? 'test';
  const known = new Map<string, { readonly view: object | undefined; readonly wrong: string | undefined }>();
  let runningBefore = '';
  return () => {
    const { running } = cluster;
    const alive = new Set(running.map(({ name }) => name));
    const runningNow = [...alive].join(' ');
    if (runningNow !== runningBefore) known.clear();
    runningBefore = runningNow;
    for (const node of running) {
      const view = node.core?.view();
      let judged = known.get(node.name);
      if (judged?.view !== view || !judged) known.set(node.name, (judged = { view, wrong: wrongIn(node, alive, clusterOf) }));
      if (judged.wrong !== undefined) return judged.wrong;
    }
    return undefined;
  };
}

function wrongIn(node: SimulatedNode, alive: ReadonlySet<string>, clusterOf: (name: string) => string): string | undefined {
  for (const name of alive) {
    if (clusterOf(name) !== clusterOf(node.name)) continue;
    const state = node.member(name)?.state ?? 'unknown';
    if (state !== 'alive' && state !== 'suspect') return `${node.name} holds ${name} for ${state}, and it runs`;
  }
  for (const { id, state } of node.members) {
    if ((state === 'alive' || state === 'suspect') && !alive.has(id)) return `${node.name} holds ${id} for ${state}, and it does not run`;
  }
  return undefined;
}
