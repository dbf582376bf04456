/** How even spaces lie on nodes, against hashing them to nodes and against what no plan can go below. */
import { hash64, parseNodeId, parseSpaceId, type SpaceId } from '@engram/kernel';
import { DEFAULT_PARTITIONS, firstTable, jumpHash, partitionOf, planPlacement, type PlacementPlan, type PlacementStrategy, type RosterNode } from '@engram/placement';
import type { Figure, Finding } from '../figure.js';
import { median, noiseOf } from '../ratio.js';
import type { World } from '../world.js';

const FACTOR = 2;
const NODES = [3, 5, 8] as const;
const SPACES = [10, 100, 1_000] as const;
const STRATEGIES = ['random', 'rack_aware', 'zone_aware'] as const satisfies readonly PlacementStrategy[];
const ZONES = 3;
const RACKS_OF_ZONE = 2;
/** Sets of names: with ten spaces much depends on what they are called. */
const SETS = 25;

/** Of one set of names, each the largest share of a node over its fair one, less 1, in percent. */
interface Placed {
  /** As a cluster is formed, which looks at no space: all copies, primaries alone. */
  readonly formed: number;
  readonly formedPrimaries: number;
  /** As planned with the number of spaces in each partition as its load. */
  readonly planned: number;
  readonly plannedPrimaries: number;
  /** What no plan can go below. */
  readonly floor: number;
  readonly planMs: number;
}

export function measureBalance({ progress }: World): Promise<Figure> {
  const rows: Row[] = [];
  const planTimes: number[] = [];
  for (const nodes of NODES) {
    for (const spaces of SPACES) {
      progress(`balance, ${spaces} spaces on ${nodes} nodes`);
      const sets = Array.from({ length: SETS }, (_, set) => Array.from({ length: spaces }, (_, at) => parseSpaceId(`set-${set}-space-${at}`)));
      const jump = hashed(sets, nodes, jumpHash);
      const modulo = hashed(sets, nodes, (hash, buckets) => Number(hash % BigInt(buckets)));
      for (const strategy of STRATEGIES) {
        const placed = sets.map((names) => place(names, nodes, strategy));
        planTimes.push(...placed.map(({ planMs }) => planMs));
        rows.push({ nodes, spaces, strategy, placed, jump, modulo, primariesFloor: primariesFloor(spaces, nodes) });
      }
    }
  }
  return Promise.resolve({
    name: 'balance',
    title: `The fullest node over its fair share, ${FACTOR + 1} copies, ${DEFAULT_PARTITIONS} partitions, ${SETS} sets of names`,
    bars: [{ label: 'a plan by load', perSecond: planTimes.map((ms) => 1_000 / ms) }],
    findings: STRATEGIES.flatMap((strategy) => summary(strategy, rows.filter((row) => row.strategy === strategy))),
    noise: { ...noiseOf(rows.flatMap(({ jump }) => jump.primaries)), baseline: 'primaries by jump hash over all sets and sizes', unit: '%' },
    notes: [
      'In percent over the fair share, medians over the sets and in parentheses the most; primaries | copies:',
      tableRow('nodes spaces strategy', 'floor', 'jump hash', 'modulo', 'as formed', 'planned by load'),
      ...rows.map(({ nodes, spaces, strategy, placed, jump, modulo, primariesFloor: floor }) => {
        const of = (what: keyof Placed): number[] => placed.map((one) => one[what]);
        const pair = (primaries: readonly number[], copies: readonly number[]): string => `${cell(primaries)} | ${cell(copies)}`;
        return tableRow(`${nodes} ${spaces} ${strategy}`, `${floor.toFixed(0)} | ${Math.max(...of('floor')).toFixed(0)}`, pair(jump.primaries, jump.copies), pair(modulo.primaries, modulo.copies), pair(of('formedPrimaries'), of('formed')), pair(of('plannedPrimaries'), of('planned')));
      }),
      `Shares are counted in spaces. ${ZONES} zones of ${RACKS_OF_ZONE} racks, nodes dealt out to them in turn. Hashed to nodes, the copies of a space are on the next nodes. As formed looks at no space; a plan by load is given how many spaces each partition holds.`,
      'A node’s fair share of the copies takes into account that no zone or rack should hold two of one partition. A plan moves until nobody is further off than the tolerance of the balancer, 10 %.',
    ],
  });
}

/** One size and strategy, over all sets of names. */
interface Row {
  readonly nodes: number;
  readonly spaces: number;
  readonly strategy: PlacementStrategy;
  readonly placed: readonly Placed[];
  readonly jump: Hashed;
  readonly modulo: Hashed;
  readonly primariesFloor: number;
}

interface Hashed {
  readonly copies: readonly number[];
  readonly primaries: readonly number[];
}

function summary(strategy: PlacementStrategy, rows: readonly Row[]): Finding[] {
  // What counts is how far above the floor, or above 20 % where the floor is lower, the worst size is.
  const worst = (of: (row: Row) => number): number => Math.max(...rows.map(of));
  const ratio = (of: (placed: Placed) => number): number[] => rows.map(({ placed, jump }) => (median(placed.map(of)) + 100) / (median(jump.primaries) + 100));
  const [formed, planned] = [ratio(({ formedPrimaries }) => formedPrimaries), ratio(({ plannedPrimaries }) => plannedPrimaries)];
  return [
    { label: `${strategy}: copies planned by load beyond max(20 %, floor), worst size`, value: worst(({ placed }) => Math.max(0, ...placed.map((one) => one.planned - Math.max(20, one.floor)))), unit: '%', aim: { atMost: 0 } },
    { label: `${strategy}: primaries planned by load beyond max(20 %, floor), worst size`, value: worst(({ placed, primariesFloor: floor }) => median(placed.map((one) => Math.max(0, one.plannedPrimaries - Math.max(20, floor))))), unit: '%', aim: { atMost: 0 } },
    { label: `${strategy}: primaries of the fullest node, planned by load ÷ jump hash`, value: median(planned), unit: '×', range: [Math.min(...planned), Math.max(...planned)] },
    { label: `${strategy}: the same as formed ÷ jump hash`, value: median(formed), unit: '×', range: [Math.min(...formed), Math.max(...formed)] },
  ];
}

function cell(values: readonly number[]): string {
  return `${median(values).toFixed(0)} (${Math.max(...values).toFixed(0)})`;
}

function tableRow(what: string, ...cells: readonly string[]): string {
  return `${what.padEnd(22)}${cells.map((one) => one.padStart(21)).join('')}`;
}

function place(names: readonly SpaceId[], nodes: number, strategy: PlacementStrategy): Placed {
  const roster = Array.from({ length: nodes }, (_, at): RosterNode => {
    const zone = at % ZONES;
    return { id: parseNodeId(`node-${at + 1}`), storageId: `disk-${at + 1}`, addresses: {}, zone: `zone-${zone}`, rack: `rack-${zone}-${Math.floor(at / ZONES) % RACKS_OF_ZONE}`, capacity: 1, state: 'active' };
  });
  const loads = new Array<number>(DEFAULT_PARTITIONS).fill(0);
  for (const name of names) loads[partitionOf(name, DEFAULT_PARTITIONS)]! += 1;
  const formed = firstTable(roster, DEFAULT_PARTITIONS, { factor: FACTOR }, { strategy });
  const from = performance.now();
  const plan = planPlacement({ roster, policies: { factor: FACTOR }, table: formed }, loads, { strategy });
  const planMs = performance.now() - from;
  const primariesOf = (table: PlacementPlan['table']): number => {
    const counts = new Map<string, number>();
    for (const [partition, { primary }] of table.entries()) counts.set(primary, (counts.get(primary) ?? 0) + loads[partition]!);
    return over(Math.max(...counts.values()), names.length / nodes);
  };
  return { formed: plan.imbalanceBefore * 100, formedPrimaries: primariesOf(formed), planned: plan.imbalance * 100, plannedPrimaries: primariesOf(plan.table), floor: plan.floor * 100, planMs };
}

function hashed(sets: readonly (readonly SpaceId[])[], nodes: number, bucketOf: (hash: bigint, buckets: number) => number): Hashed {
  const counted = sets.map((names) => {
    const [copies, primaries] = [new Array<number>(nodes).fill(0), new Array<number>(nodes).fill(0)];
    for (const name of names) {
      const first = bucketOf(hash64(name), nodes);
      primaries[first]! += 1;
      for (let copy = 0; copy <= FACTOR; copy += 1) copies[(first + copy) % nodes]! += 1;
    }
    return { copies: over(Math.max(...copies), ((FACTOR + 1) * names.length) / nodes), primaries: over(Math.max(...primaries), names.length / nodes) };
  });
  return { copies: counted.map(({ copies }) => copies), primaries: counted.map(({ primaries }) => primaries) };
}

/** Spaces are whole: ten on three nodes cannot be even. */
function primariesFloor(spaces: number, nodes: number): number {
  return over(Math.ceil(spaces / nodes), spaces / nodes);
}

function over(most: number, fair: number): number {
  return (most / fair - 1) * 100;
}
