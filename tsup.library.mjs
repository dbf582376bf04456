/**
 * How every library here is built: ESM only, types beside it, one file per public entry point.
 * ESM only, because a CommonJS build that calls an ESM-only dependency breaks at run time although the
 * packaging checks pass; `require()` of ESM works from Node 20.19 on (docs/decisions/0001).
 *
 * @param {readonly string[]} entry Public entry points, e.g. `['src/index.ts', 'src/core/index.ts']`.
 * @returns {import('tsup').Options}
 */
export function library(entry) {
  return {
    entry: Object.fromEntries(entry.map((file) => [file.replace(/^src\//, '').replace(/\.ts$/, ''), file])),
    format: ['esm'],
    target: 'node20',
    clean: true,
    sourcemap: true,
    // TypeScript 6 refuses the `baseUrl` that the declaration build sets unless told to let it pass (TS5101).
    dts: { compilerOptions: { composite: false, ignoreDeprecations: '6.0', customConditions: null, types: ['node'] } },
  };
}
