/**
 * How much each node should hold: in proportion to its capacity, but no node can hold more than one copy of everything,
 * and no domain of failure more than its part of the copies. What does not fit goes to the others.
 *
 * @param capacities of each node; 0 for a node that takes nothing
 * @param domains the number of each node's domain
 * @param total the weight of all partitions, once
 * @param copies how many copies of each are placed
 */
export function fairShares(capacities: readonly number[], domains: readonly number[], total: number, copies: number): number[] {
  const members = new Map<number, number[]>();
  for (const [node, capacity] of capacities.entries()) {
    const domain = domains[node] as number;
    if (capacity > 0) members.set(domain, [...(members.get(domain) ?? []), node]);
  }
  const groups = [...members.values()];
  const most = Math.ceil(copies / Math.max(1, groups.length)) * total;
  const sum = (nodes: readonly number[]): number => nodes.reduce((all, node) => all + (capacities[node] as number), 0);
  const ofGroups = poured(copies * total, groups.map(sum), groups.map((nodes) => Math.min(most, nodes.length * total)));
  const shares = capacities.map(() => 0);
  for (const [at, nodes] of groups.entries()) {
    const ofNodes = poured(ofGroups[at] as number, nodes.map((node) => capacities[node] as number), nodes.map(() => total));
    for (const [place, node] of nodes.entries()) shares[node] = ofNodes[place] as number;
  }
  return shares;
}

/** Pours an amount into vessels in proportion to their widths; what a full one cannot take, the others share. */
function poured(amount: number, widths: readonly number[], limits: readonly number[]): number[] {
  const levels = widths.map(() => 0);
  let open = [...widths.keys()];
  let left = amount;
  while (open.length > 0 && left > 1e-9) {
    const width = open.reduce((sum, at) => sum + (widths[at] as number), 0);
    const overflowing = open.filter((at) => (left * (widths[at] as number)) / width > (limits[at] as number));
    if (overflowing.length === 0) {
      for (const at of open) levels[at] = (left * (widths[at] as number)) / width;
      return levels;
    }
    for (const at of overflowing) {
      levels[at] = limits[at] as number;
      left -= limits[at] as number;
    }
    open = open.filter((at) => !overflowing.includes(at));
  }
  return levels;
}
