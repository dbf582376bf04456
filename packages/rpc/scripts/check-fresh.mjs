/** Fails when the committed generated code is not, byte for byte, what the contracts generate today. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';

const fresh = mkdtempSync(join(tmpdir(), 'engram-rpc-'));
try {
  execFileSync('buf', ['generate', '-o', fresh], { stdio: 'inherit' });
  const stale = differences(filesIn(join(fresh, 'src/gen')), filesIn('src/gen'));
  if (stale.length > 0) {
    console.error(`src/gen is not what proto/ generates:\n${stale.map((line) => `  ${line}`).join('\n')}`);
    console.error('Run `npm run generate -w @engram/rpc` and commit what it changes.');
    process.exitCode = 1;
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}

/** @returns {Map<string, Buffer>} contents by path relative to `directory` */
function filesIn(directory) {
  return new Map(
    readdirSync(directory, { recursive: true })
      .filter((name) => statSync(join(directory, name)).isFile())
      .map((name) => [name.split(sep).join('/'), readFileSync(join(directory, name))]),
  );
}

/** @param {Map<string, Buffer>} wanted @param {Map<string, Buffer>} found */
function differences(wanted, found) {
  return [
    ...[...wanted].filter(([name]) => !found.has(name)).map(([name]) => `${name} is missing`),
    ...[...found.keys()].filter((name) => !wanted.has(name)).map((name) => `${name} belongs to no contract`),
    ...[...wanted].filter(([name, bytes]) => found.has(name) && !bytes.equals(found.get(name))).map(([name]) => `${name} differs`),
  ].sort();
}
