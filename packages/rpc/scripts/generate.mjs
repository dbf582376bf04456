/** Generates src/gen from proto/. Files of contracts that no longer exist go away with the old folder. */
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';

rmSync('src/gen', { recursive: true, force: true });
execFileSync('buf', ['generate'], { stdio: 'inherit' });
