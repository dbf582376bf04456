/**
 * `npm run api`: the reference of every public package under docs/api, from the docstrings. Each entry of a package's
 * `exports` is a module. Whatever cannot be found, leads nowhere or says nothing is a warning, and a warning fails.
 *
 * `--check` writes nothing: the gate of `npm test`. `--package swim` (repeatable) looks at these packages alone.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Application, Comment, Converter, LogLevel, ReflectionKind } from 'typedoc';

const root = resolve(import.meta.dirname, '../..');
const source = '@engram/source';
const { values } = parseArgs({ options: { check: { type: 'boolean', default: false }, package: { type: 'string', multiple: true } } });

/** @returns {[file: string, module: string][]} */
function entriesOf(directory) {
  const manifest = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
  if (manifest.private) return [];
  return Object.entries(manifest.exports ?? {}).flatMap(([path, conditions]) =>
    typeof conditions === 'object' && source in conditions ? [[join(directory, conditions[source]), manifest.name + path.slice(1)]] : [],
  );
}

/** Helpers of exported types that a reader needs no name for. */
const unnamed = {
  '@engram/discovery': ['Failure'],
  '@engram/kernel': ['Id'],
  '@engram/rpc': ['HandlerOf', 'MessageFns', 'Builtin'],
  '@engram/swim': ['WithoutMember'],
};

const directories = readdirSync(join(root, 'packages'))
  .filter((name) => values.package === undefined || values.package.includes(name))
  .map((name) => join(root, 'packages', name))
  .filter((directory) => existsSync(join(directory, 'package.json')));
const modules = new Map(directories.flatMap(entriesOf));
const packages = new Set([...modules.values()].map((name) => name.split('/').slice(0, 2).join('/')));
if (modules.size === 0) {
  console.error(`No public package named ${values.package?.join(', ')}.`);
  process.exit(2);
}

const app = await Application.bootstrap({
  name: 'Engram',
  entryPoints: [...modules.keys()],
  tsconfig: join(import.meta.dirname, 'tsconfig.api.json'),
  readme: 'none',
  out: join(root, 'docs/api'),
  // Types have a gate of their own.
  skipErrorChecking: true,
  excludeInternal: true,
  excludePrivate: true,
  disableSources: true,
  logLevel: LogLevel.Warn,
  validation: { notExported: true, invalidLink: true, invalidPath: true, notDocumented: true, rewrittenLink: true, unusedMergeModuleWith: true },
  requiredToBeDocumented: ['Class', 'Function', 'Interface', 'TypeAlias', 'Variable', 'Enum', 'Module'],
});
app.converter.on(Converter.EVENT_END, ({ project }) => {
  for (const reflection of Object.values(project.reflections)) {
    const { packageName, packagePath } = project.getSymbolIdFromReflection(reflection) ?? {};
    // TypeDoc names modules after their files; readers know them by what they import.
    if (reflection.kindOf(ReflectionKind.Module)) reflection.name = modules.get(join(root, packageName.replace('@engram', 'packages'), packagePath));
    // What is generated has its comments where it is generated from.
    if (packagePath?.startsWith('src/gen/') && !reflection.hasComment()) reflection.comment = new Comment([{ kind: 'text', text: 'Generated from the contract in `proto/`.' }]);
  }
});

const project = await app.convert();
if (project === undefined) process.exit(1);
// Of what is not exported and not documented TypeDoc looks at one package only: the one it takes the project for.
for (const name of packages) {
  project.packageName = name;
  app.options.setValue('intentionallyNotExported', unnamed[name] ?? []);
  app.validate(project);
}
project.packageName = undefined;
const complaints = app.logger.errorCount + app.logger.warningCount;
if (!values.check) await app.generateOutputs(project);
console.log(`${modules.size} modules, ${complaints} complaints${values.check ? '' : `, written to ${relative(process.cwd(), join(root, 'docs/api')) || '.'}`}`);
process.exitCode = complaints > 0 ? 1 : 0;
