/** A benchmark of an old build would be about code that nobody reads any more. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const root = resolve(import.meta.dirname, '../..');

/** What is wrong with the build of these projects and of all they are made of; undefined when each was built after its last change. */
export function complaintAboutBuild(projects: readonly string[]): string | undefined {
  for (const project of withDependencies(projects)) {
    const built = join(root, project, 'dist');
    if (!existsSync(built)) return `${project} is not built. Run \`npm run build\` first.`;
    if (newestChangeMs(join(root, project, 'src')) > newestChangeMs(built)) {
      return `${project} has changed since it was built. Run \`npm run build\` first, or measure the old build with --stale.`;
    }
  }
  return undefined;
}

/** Packages of this repository that a project depends on come before it. */
export function withDependencies(projects: readonly string[]): readonly string[] {
  const found = new Set<string>();
  const add = (project: string): void => {
    const { dependencies = {} } = JSON.parse(readFileSync(join(root, project, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> };
    for (const name of Object.keys(dependencies)) if (name.startsWith('@engram/')) add(name.replace('@engram', 'packages'));
    found.add(project);
  };
  projects.forEach(add);
  return [...found];
}

function newestChangeMs(directory: string): number {
  const times = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(spec|laws)\.ts$/.test(entry.name))
    .map((entry) => statSync(join(entry.parentPath, entry.name)).mtimeMs);
  return Math.max(0, ...times);
}
