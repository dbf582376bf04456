import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../../..');

/** What the node's script needs of this repository. */
const measuredPackages = ['kernel', 'swim'] as const;

/**
 * Lays the build out as a user has it, in a directory outside the workspace. A node that is restarted late in the run is
 * then of the same build as all others, whatever is built meanwhile.
 *
 * @returns the path of the node's script
 */
export function snapshotBuild(directory: string): string {
  const modules = join(directory, 'node_modules');
  for (const name of measuredPackages) {
    const target = join(modules, '@engram', name);
    mkdirSync(target, { recursive: true });
    for (const part of ['package.json', 'dist']) cpSync(join(root, 'packages', name, part), join(target, part), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules', 'msgpackr'), join(modules, 'msgpackr'));
  const script = join(directory, 'swim-node.mjs');
  cpSync(join(import.meta.dirname, 'swim-node.mjs'), script);
  return script;
}
