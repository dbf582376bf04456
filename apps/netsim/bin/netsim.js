#!/usr/bin/env node
// The command line as installed. It runs the build; from a clone, `npm run build` makes it.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const built = new URL('../dist/main.js', import.meta.url);
if (existsSync(fileURLToPath(built))) {
  await import(built.href);
} else {
  console.error('netsim is not built yet. Run `npm run build` at the root of the clone, then try again.');
  process.exitCode = 1;
}
