/**
 * The simulator's way into the product. Outside a simulation no oracle is installed, `buggify` is false and `sometimes`
 * does nothing; both cost one comparison.
 */
export interface SimulationOracle {
  /** Whether the rare path is taken at this place, this time. */
  buggify(site: string): boolean;
  /** Takes note that the state of that name was reached. */
  sometimes(name: string): void;
}

let oracle: SimulationOracle | undefined;

/**
 * True now and then under simulation, so that a rare but legal path is taken often: shrink a batch to one, force a
 * snapshot, time out early. What follows must be correct, only unlikely. The site names the place, e.g. `swim/full-sync-early`.
 * (After the macro of that name in FoundationDB; Zhou et al., "FoundationDB", SIGMOD 2021, section 4.)
 */
export function buggify(site: string): boolean {
  return oracle !== undefined && oracle.buggify(site);
}

/** Counts a state that a good set of simulations must reach at times; a nightly in which it never occurred has tested too little. */
export function sometimes(name: string): void {
  if (oracle !== undefined) oracle.sometimes(name);
}

/** For simulators: `next` answers from now on. Returns what answered before, to be put back. */
export function installOracle(next: SimulationOracle | undefined): SimulationOracle | undefined {
  const before = oracle;
  oracle = next;
  return before;
}
