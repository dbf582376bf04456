import type { MakeChecker } from './checker.js';
import { clustersApart } from './clusters-apart.js';
import { detection } from './detection.js';
import { dissemination } from './dissemination.js';
import { identitiesGrow } from './identities-grow.js';
import { noFalseDeaths } from './no-false-deaths.js';
import { noResurrection } from './no-resurrection.js';
import { traffic } from './traffic.js';
import { viewsHeal } from './views-heal.js';

/** All of them watch every run. */
export const checkers: readonly MakeChecker[] = [identitiesGrow, noResurrection, viewsHeal, noFalseDeaths, detection, dissemination, traffic, clustersApart];
