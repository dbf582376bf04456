/**
 * What a core may not touch (docs/decisions/0002): it decides from its events alone, so that a simulator can replay it
 * from a seed. Applied to every `core/` folder and to all of the kernel but its `node/` folder.
 */
import { builtinModules } from 'node:module';

const why = 'A core is pure: time, randomness, disk and network reach it as events. Move this to a driver in node/.';

const globals = [
  'setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate', 'queueMicrotask',
  'process', 'Buffer', 'global', 'globalThis', 'console', 'performance', 'crypto', 'fetch', 'require',
  'Promise', 'WebSocket', 'navigator', 'structuredClone', 'AbortController', 'AbortSignal', 'EventTarget', 'WeakRef', 'FinalizationRegistry',
];

/** @type {import('eslint').Linter.RulesRecord} */
export const corePurityRules = {
  'no-restricted-imports': [
    'error',
    {
      paths: builtinModules.filter((name) => !name.startsWith('_')).map((name) => ({ name, message: why })),
      patterns: [
        { group: ['node:*'], message: why },
        { group: ['**/node/*', '**/node', '@engram/*/node'], message: 'A core never reaches into a driver. Imports point from node/ to core/.' },
      ],
    },
  ],
  'no-restricted-globals': ['error', ...globals.map((name) => ({ name, message: why }))],
  'no-restricted-properties': [
    'error',
    { object: 'Date', property: 'now', message: why },
    { object: 'Math', property: 'random', message: why },
    { object: 'performance', property: 'now', message: why },
  ],
  'no-restricted-syntax': [
    'error',
    { selector: ':function[async=true]', message: why },
    { selector: 'AwaitExpression', message: why },
    { selector: 'ForOfStatement[await=true]', message: why },
    { selector: 'ImportExpression', message: why },
    { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: why },
    { selector: "CallExpression[callee.name='Date']", message: why },
  ],
};
