import { defineConfig } from 'vitest/config';

/** Run by `npm test -- process` after the build. One process test at a time, with time to start, stop and fill a disk. */
export default defineConfig({
  test: {
    name: 'process',
    include: ['*.spec.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 60_000,
  },
});
