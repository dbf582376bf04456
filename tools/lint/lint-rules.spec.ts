import { resolve } from 'node:path';
import { createProjectGraphAsync } from '@nx/devkit';
import { ESLint } from 'eslint';
import { beforeAll, describe, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const eslint = new ESLint({ cwd: root });

/** Lints text as if it stood in the file; returns the rules that complained and what they said. */
async function lint(file: string, text: string): Promise<string[]> {
  const [result] = await eslint.lintText(text, { filePath: resolve(root, file) });
  return result!.messages.map(({ ruleId, message }) => `${ruleId}: ${message}`);
}

describe('core purity', () => {
  const planted: [what: string, text: string, rule: string][] = [
    ['a node: import', "import { readFileSync } from 'node:fs';\nexport const f = readFileSync;\n", 'no-restricted-imports'],
    ['a built-in module without its prefix', "import { readFileSync } from 'fs';\nexport const f = readFileSync;\n", 'no-restricted-imports'],
    ['an import from the driver', "import { systemClock } from '@engram/kernel/node';\nexport const c = systemClock;\n", 'no-restricted-imports'],
    ['a relative import from the driver', "import { s } from '../node/store.js';\nexport const c = s;\n", 'no-restricted-imports'],
    ['a timer', 'export const t = (): unknown => setTimeout(() => 1, 5);\n', 'no-restricted-globals'],
    ['the wall clock', 'export const now = (): number => Date.now();\n', 'no-restricted-properties'],
    ['a date of now', 'export const now = (): unknown => new Date();\n', 'no-restricted-syntax'],
    ['ambient randomness', 'export const r = (): number => Math.random();\n', 'no-restricted-properties'],
    ['an async function', 'export async function f(): Promise<void> {}\n', 'no-restricted-syntax'],
    ['a promise', 'export const p = (): unknown => Promise.resolve(1);\n', 'no-restricted-globals'],
    ['the process', 'export const e = (): unknown => process.env;\n', 'no-restricted-globals'],
    ['the console', "export const l = (): void => console.log('x');\n", 'no-restricted-globals'],
    ['a dynamic import', "export const l = (): unknown => import('lmdb');\n", 'no-restricted-syntax'],
  ];

  test.each(planted)('%s in a core is refused', async (_what, text, rule) => {
    expect(await lint('packages/memory/src/core/planted.ts', text)).toContainEqual(expect.stringContaining(rule));
    expect(await lint('packages/kernel/src/planted.ts', text)).toContainEqual(expect.stringContaining(rule));
  });

  test.each(planted)('%s in a driver is nobody’s business', async (_what, text, rule) => {
    expect(await lint('packages/memory/src/node/planted.ts', text)).not.toContainEqual(expect.stringContaining(rule));
  });

  test('a date made from a number is no clock', async () => {
    expect(await lint('packages/memory/src/core/planted.ts', 'export const d = (ms: number): Date => new Date(ms);\n')).toEqual([]);
  });
});

describe('layers', () => {
  // The rule reads the project graph from Nx's cache, which a fresh clone has not made yet.
  beforeAll(async () => void (await createProjectGraphAsync({ exitOnError: false })), 60_000);

  const boundaries = '@nx/enforce-module-boundaries';
  const importing = (name: string): string => `import * as it from '${name}';\nexport const x = it;\n`;

  test.each([
    ['a protocol', 'packages/memory/src/planted.ts', '@engram/replication'],
    ['a protocol', 'packages/replication/src/planted.ts', '@engram/memory'],
    ['the kernel', 'packages/kernel/src/node/planted.ts', '@engram/placement'],
    ['an application', 'apps/server/src/planted.ts', '../../../tools/lint/core-purity.mjs'],
  ])('%s (%s) may not import %s', async (_layer, file, name) => {
    expect(await lint(file, importing(name))).toContainEqual(expect.stringContaining(boundaries));
  });

  test('a relative import across packages is refused', async () => {
    expect(await lint('packages/memory/src/planted.ts', importing('../../kernel/src/index.js'))).toContainEqual(
      expect.stringContaining(boundaries),
    );
  });

  test.each([
    ['packages/memory/src/planted.ts', '@engram/kernel'],
    ['apps/server/src/planted.ts', '@engram/memory'],
  ])('%s may import %s', async (file, name) => {
    expect(await lint(file, importing(name))).toEqual([]);
  });
});
