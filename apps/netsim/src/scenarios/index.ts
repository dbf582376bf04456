import { EngramError } from '@engram/kernel';
import type { Scenario } from '../scenario.js';
import { addressReuse } from './address-reuse.js';
import { asymmetric } from './asymmetric.js';
import { calm } from './calm.js';
import { cascading } from './cascading.js';
import { cleanSplit } from './clean-split.js';
import { congestion } from './congestion.js';
import { flapping } from './flapping.js';
import { killOne } from './kill-one.js';
import { massRestart } from './mass-restart.js';
import { powerCut } from './power-cut.js';
import { slowNode } from './slow-node.js';

export const scenarios: readonly Scenario[] = [killOne, cleanSplit, asymmetric, flapping, cascading, congestion, massRestart, powerCut, slowNode, addressReuse, calm];

/** Throws `invalid_argument` naming those there are. */
export function scenarioNamed(name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name);
  if (!found) throw new EngramError('invalid_argument', `there is no scenario ${name}`, { hint: `Scenarios: ${scenarios.map((scenario) => scenario.name).join(', ')}.` });
  return found;
}
