import nx from '@nx/eslint-plugin';
import tseslint from 'typescript-eslint';
import { corePurityRules } from './tools/lint/core-purity.mjs';

/**
 * Who may import whom (ARCHITECTURE.md): arrows point one way, and protocols never import one another.
 */
const layers = [
  { sourceTag: 'layer:kernel', onlyDependOnLibsWithTags: ['layer:kernel'] },
  { sourceTag: 'layer:protocol', onlyDependOnLibsWithTags: ['layer:kernel'] },
  { sourceTag: 'layer:cluster', onlyDependOnLibsWithTags: ['layer:kernel', 'layer:protocol'] },
  { sourceTag: 'layer:app', onlyDependOnLibsWithTags: ['layer:kernel', 'layer:protocol', 'layer:cluster'] },
  { sourceTag: 'layer:tool', onlyDependOnLibsWithTags: ['*'] },
];

export default tseslint.config(
  { ignores: ['**/dist', '**/out-tsc', '**/node_modules', '**/coverage', '**/src/gen', '.nx', 'data'] },
  ...tseslint.configs.recommended,
  {
    plugins: { '@nx': nx },
    files: ['**/*.ts', '**/*.mjs', '**/*.js'],
    rules: {
      '@nx/enforce-module-boundaries': ['error', {
          allow: ['^../../tsup.library.mjs$'],
          // The command line loads what only some of its commands need when they need it.
          checkDynamicDependenciesExceptions: ['.*'],
          depConstraints: layers,
        }],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      'no-console': 'off',
      eqeqeq: ['error', 'always'],
    },
  },
  {
    files: ['packages/*/src/core/**/*.ts', 'packages/kernel/src/**/*.ts'],
    ignores: ['packages/kernel/src/node/**', '**/*.spec.ts', '**/*.laws.ts'],
    rules: corePurityRules,
  },
);
