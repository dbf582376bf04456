import { defineConfig } from 'vitest/config';

/** Each project's unit tests, laws and driver tests. */
const projects = {
  kernel: 'packages/kernel',
  swim: 'packages/swim',
  discovery: 'packages/discovery',
  placement: 'packages/placement',
  replication: 'packages/replication',
  cluster: 'packages/cluster',
  memory: 'packages/memory',
  rpc: 'packages/rpc',
  server: 'apps/server',
  netsim: 'apps/netsim',
  tools: 'tools',
};

/** Libraries resolve to their sources, so tests run on a tree that was never built. */
const conditions = ['@engram/source'];

export default defineConfig({
  test: {
    projects: Object.entries(projects).map(([name, root]) => ({
      root,
      resolve: { conditions },
      ssr: { resolve: { conditions } },
      test: {
        name,
        include: ['**/*.spec.ts', '**/*.laws.ts'],
        // For what hangs. How long a test takes on a busy machine says nothing about the code.
        testTimeout: 60_000,
        hookTimeout: 60_000,
        // Process tests need the build, so they have a configuration and a step of their own.
        exclude: ['**/node_modules/**', '**/dist/**', '**/out-tsc/**', 'process/**'],
      },
    })),
  },
});
