/** What it takes to decide who answers a request, against calling a function that does nothing. */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Figure, Finding } from '../figure.js';
import { interleavedRatio, median, noiseOf } from '../ratio.js';
import type { World } from '../world.js';

// The server is a program and exports nothing, so that what is measured here is found by its path.
const routing = resolve(import.meta.dirname, '../../../apps/server/src/routing/route.ts');

/** What of it is used here. */
interface Question {
  readonly map: object;
  readonly self: string;
  readonly partition: number;
  readonly operation: 'write' | 'read';
  readonly consistency: 'primary' | 'any';
  readonly leads: boolean;
  readonly holds: boolean;
  readonly isAlive: (node: string) => boolean;
}
interface Routing {
  readonly decide: (question: Question) => { readonly kind: string };
}

const PARTITIONS = 1_024;
/** Between two looks at the clock. */
const CALLS = 10_000;

export async function measureRouting({ sizes, progress }: World): Promise<Figure> {
  const { decide } = (await import(pathToFileURL(routing).href)) as Routing;
  const nothing = (question: Question): { readonly kind: string } => answers[question.partition & 1]!;
  const subjects = [
    { label: '5 nodes', questions: questionsOf(5) },
    { label: '1000 nodes', questions: questionsOf(1_000) },
  ];
  const bars: Figure['bars'][number][] = [];
  const findings: Finding[] = [];
  let noise: Figure['noise'] | undefined;
  for (const { label, questions } of subjects) {
    const [base, ours]: [number[], number[]] = [[], []];
    for (const call of [nothing, decide]) nanosOf(call, questions, sizes.warmUpMs / 8);
    for (let round = 0; round < sizes.rounds; round += 1) {
      progress(`routing, ${label}, round ${round + 1} of ${sizes.rounds}`);
      base.push(nanosOf(nothing, questions, sizes.roundMs / 8));
      ours.push(nanosOf(decide, questions, sizes.roundMs / 8));
    }
    base.push(nanosOf(nothing, questions, sizes.roundMs / 8));
    const { value, lowest, highest } = interleavedRatio(ours, base);
    bars.push({ label: `empty call, ${label}`, perSecond: base.map(perSecond) }, { label: `decision, ${label}`, perSecond: ours.map(perSecond) });
    findings.push({ label: `decision ÷ empty call, ${label}`, value, unit: '×', range: [lowest, highest] });
    findings.push({ label: `one decision, ${label}`, value: median(ours) / 1_000_000, unit: 'ms', aim: { atMost: 0.02 } });
    noise ??= { ...noiseOf(base), baseline: `nanoseconds of an empty call, ${label}`, unit: 'ns' };
  }
  return {
    name: 'routing',
    title: 'Deciding who answers',
    bars,
    findings,
    noise: noise!,
    notes: ['Writes and reads of every partition in turn, of which a third is here, every tenth primary is gone and a read falls back to a copy; a roster is looked through from its beginning, so that the largest costs most.'],
  };
}

const answers = [{ kind: 'here' }, { kind: 'forward' }] as const;

function questionsOf(nodes: number): Question[] {
  const ids = Array.from({ length: nodes }, (_, index) => `node-${index}`);
  const roster = ids.map((id) => ({ id, storageId: id, addresses: {}, zone: '', rack: '', capacity: 1, state: 'active' }));
  const at = (index: number): string => ids[index % nodes]!;
  // Neighbours in the table are far apart in the roster, as they are once a cluster has lived for a while.
  const table = Array.from({ length: PARTITIONS }, (_, partition) => ({ epoch: 1, primary: at(partition * 7), replicas: [at(partition * 7 + 1), at(partition * 7 + 2)] }));
  const gone = new Set(ids.filter((_, index) => index % 10 === 3));
  const isAlive = (node: string): boolean => !gone.has(node);
  return table.flatMap(({ primary, replicas }, partition) => {
    const self = partition % 3 === 0 ? primary : at(partition + 5);
    const holds = self === primary || replicas.includes(self);
    const common = { map: { roster, table }, self, partition, leads: self === primary, holds, isAlive } as const;
    return [{ ...common, operation: 'write', consistency: 'primary' }, { ...common, operation: 'read', consistency: 'primary' }, { ...common, operation: 'read', consistency: 'any' }] satisfies Question[];
  });
}

/** Nanoseconds of one call, over as many as fit into the time. */
function nanosOf(call: Routing['decide'], questions: readonly Question[], ms: number): number {
  let [calls, seen] = [0, 0];
  const startedAt = performance.now();
  for (let at = 0; ; ) {
    for (let n = 0; n < CALLS; n += 1) {
      // What is looked at cannot be left out by the compiler.
      if (call(questions[at]!).kind === 'here') seen += 1;
      at = at + 1 === questions.length ? 0 : at + 1;
    }
    calls += CALLS;
    const tookMs = performance.now() - startedAt;
    if (tookMs >= ms) return seen === 0 ? NaN : (tookMs * 1_000_000) / calls;
  }
}

function perSecond(nanos: number): number {
  return 1_000_000_000 / nanos;
}
