import { defineConfig } from 'vitest/config';

/**
 * Run by `npm test -- process` after the build. One file of process tests at a time, with time to start, stop and fill a
 * disk also on a machine that has other things to do: what a wait may take matters only to a test that fails.
 */
export default defineConfig({
  test: {
    name: 'process',
    include: ['*.spec.ts'],
    fileParallelism: false,
    // Each of these has three nodes.
    maxConcurrency: 3,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
