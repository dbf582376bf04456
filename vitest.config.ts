import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

/** Each project's unit tests, laws and driver tests. */
const projects = {
  kernel: 'packages/kernel',
  placement: 'packages/placement',
  replication: 'packages/replication',
  memory: 'packages/memory',
  rpc: 'packages/rpc',
  server: 'apps/server',
  tools: 'tools',
};

/** Libraries resolve to their sources, so tests run on a tree that was never built. */
const conditions = ['@engram/source'];

const outside = ['**/node_modules/**', '**/dist/**', '**/out-tsc/**'];

function project(name: string, root: string, test: TestProjectInlineConfiguration['test']): TestProjectInlineConfiguration {
  return {
    root,
    resolve: { conditions },
    ssr: { resolve: { conditions } },
    test: { name, include: ['**/*.spec.ts', '**/*.laws.ts'], ...test },
  };
}

export default defineConfig({
  test: {
    projects: [
      ...Object.entries(projects).map(([name, root]) => project(name, root, { exclude: [...outside, '**/tools/process/**'] })),
      // The built server as processes: one at a time, with time to start, stop and fill a disk.
      project('process', 'tools/process', { exclude: outside, fileParallelism: false, testTimeout: 120_000, hookTimeout: 60_000 }),
    ],
  },
});
