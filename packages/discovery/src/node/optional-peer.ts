import { EngramError } from '@engram/kernel';

/** The client libraries that some sources need, with the versions they were tried with. Nobody who does not use such a source installs them. */
const optionalPeers = {
  '@kubernetes/client-node': '^1.4.0',
  '@aws-sdk/client-ec2': '^3.900.0',
} as const;

export type OptionalPeer = keyof typeof optionalPeers;

/** How a module is brought in; tests hand in another one. */
export type ImportModule = (name: string) => Promise<unknown>;

// The name is a variable, so that no bundler pulls the library into a build that may never use it.
const importModule: ImportModule = (name) => import(/* @vite-ignore */ name) as Promise<unknown>;

/**
 * Loads a client library on first use. One that is not installed is an `EngramError` `discovery_failed` whose hint is the
 * command that installs it; one that is installed and broken says so instead.
 */
export async function loadOptionalPeer<Module>(source: string, name: OptionalPeer, load: ImportModule = importModule): Promise<Module> {
  try {
    return (await load(name)) as Module;
  } catch (error) {
    throw isMissing(error, name) ? missing(source, name) : broken(source, name, error);
  }
}

/** Node says "Cannot find package 'x' imported from …". What the library itself fails to find is not the library missing. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const notFound = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  return notFound && typeof message === 'string' && message.includes(`'${name}'`);
}

function missing(source: string, name: OptionalPeer): EngramError {
  return new EngramError('discovery_failed', `${source}: the package ${name}, which this source needs, is not installed`, {
    hint: `Run: npm install ${name}@${optionalPeers[name]}`,
    details: { source, package: name },
  });
}

function broken(source: string, name: OptionalPeer, error: unknown): EngramError {
  const reason = error instanceof Error ? error.message : String(error);
  return new EngramError('discovery_failed', `${source}: the package ${name} is installed but does not load: ${reason}`, {
    hint: `Install it anew: npm install ${name}@${optionalPeers[name]}`,
    cause: error,
    details: { source, package: name },
  });
}
