/** Secrets that are mounted as files, the way Docker and Kubernetes hand them out. */
import { readFileSync, statSync } from 'node:fs';
import { keys } from './keys.js';
import { problemOf, type Problem } from './problems.js';
import { describeSource, type Setting } from './settings.js';

/** Longer than any token; a larger file is something else. */
const secretBytesMax = 65_536;

/** The keys that name a file, by the key whose value it holds. */
export const secretFileKeys: ReadonlyMap<string, string> = new Map([...keys.values()].filter(({ path, secret }) => secret && keys.has(`${path}_file`)).map(({ path }) => [path, `${path}_file`]));

/** Puts the text of every file that is named in the place of its key. Says what is wrong with the files that cannot be used. */
export function readSecretFiles(settings: Map<string, Setting>): Problem[] {
  const problems: Problem[] = [];
  for (const [path, fileKey] of secretFileKeys) {
    const named = settings.get(fileKey);
    if (named === undefined || typeof named.value !== 'string' || named.value === '') continue;
    const refuse = (reason: string, suggestion: string) => problems.push(problemOf(fileKey, named.value, named.source, reason, suggestion));
    const other = settings.get(path);
    if (other !== undefined) {
      refuse(`names a file for ${path}, which is set as well (${describeSource(other.source)})`, 'Keep one of them.');
      continue;
    }
    const read = readSecret(named.value);
    if ('wrong' in read) refuse(read.wrong, `It should hold the value of ${path} and nothing else.`);
    else settings.set(path, { path, value: keys.get(path)!.kind === 'list' ? read.text.split(/\s+/) : read.text, source: { kind: 'secret-file', file: named.value } });
  }
  return problems;
}

function readSecret(file: string): { readonly text: string } | { readonly wrong: string } {
  try {
    // Its size is asked first, so that a path such as /dev/zero cannot fill the memory.
    const stats = statSync(file);
    if (!stats.isFile()) return { wrong: 'is not a file' };
    if (stats.size > secretBytesMax) return { wrong: `has ${stats.size} bytes, more than a secret of at most ${secretBytesMax}` };
    const text = readFileSync(file, 'utf8').trim();
    return text === '' ? { wrong: 'is empty' } : { text };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    return { wrong: code === 'ENOENT' ? 'names a file that does not exist' : `names a file that cannot be read (${code ?? String(error)})` };
  }
}
