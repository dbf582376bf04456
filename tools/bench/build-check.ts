/** A benchmark of an old build would be about code that nobody reads any more. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');
const serverAndItsPackages = ['packages/kernel', 'packages/placement', 'packages/replication', 'packages/memory', 'packages/rpc', 'packages/swim', 'apps/server'];

/** What is wrong with the build; undefined when every project was built after its last change. @default the server and all that it is made of */
export function complaintAboutBuild(projects: readonly string[] = serverAndItsPackages): string | undefined {
  for (const project of projects) {
    const built = join(root, project, 'dist');
    if (!existsSync(built)) return `${project} is not built. Run \`npm run build\` first.`;
    if (newestChangeMs(join(root, project, 'src')) > newestChangeMs(built)) {
      return `${project} has changed since it was built. Run \`npm run build\` first, or measure the old build with --stale.`;
    }
  }
  return undefined;
}

function newestChangeMs(directory: string): number {
  const times = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(spec|laws)\.ts$/.test(entry.name))
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs);
  return Math.max(0, ...times);
}
