import { readFile } from 'node:fs/promises';
import type { RequestOptions } from 'node:https';
import { join } from 'node:path';
import { EngramError } from '@engram/kernel';
import type { HttpCall } from './bounded-http.js';
import { loadOptionalPeer, type ImportModule } from './optional-peer.js';

/** How the API server is reached and what it is shown. Fetched anew for each list and watch, as tokens are rotated. */
export interface KubernetesAccess extends Pick<HttpCall, 'tls' | 'agent'> {
  readonly server: string;
  /** That of the pod, or of the context of the kubeconfig. */
  readonly namespace: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly secrets: readonly string[];
}

/** Where every pod finds its service account. */
export const serviceAccountDirectory = '/var/run/secrets/kubernetes.io/serviceaccount';

/**
 * From inside a pod: the files of its service account and the address that the kubelet puts into the environment. Needs
 * no package. (Kubernetes documentation, "Accessing the Kubernetes API from a Pod".)
 */
export async function inClusterAccess(source: string, directory: string, environment: NodeJS.ProcessEnv, server = serverOf(environment)): Promise<KubernetesAccess> {
  if (server === undefined) {
    throw new EngramError('discovery_failed', `${source}: KUBERNETES_SERVICE_HOST is not set, so this is not a pod`, {
      hint: 'Give the source a kubeconfig file, or run it in a pod.',
      details: { source },
    });
  }
  const read = async (name: string): Promise<string> => (await readFile(join(directory, name), 'utf8')).trim();
  try {
    const [token, ca, namespace] = await Promise.all([read('token'), read('ca.crt'), read('namespace')]);
    return { server, namespace, headers: { authorization: `Bearer ${token}` }, tls: { ca }, secrets: [token] };
  } catch (error) {
    const { code } = error as { code?: string };
    throw new EngramError('discovery_failed', `${source}: the service account of this pod cannot be read from ${directory} (${code ?? 'unknown'})`, {
      hint: 'Set automountServiceAccountToken on the pod, or give the source a kubeconfig file.',
      details: { source },
    });
  }
}

function serverOf(environment: NodeJS.ProcessEnv): string | undefined {
  const { KUBERNETES_SERVICE_HOST: host, KUBERNETES_SERVICE_PORT: port = '443' } = environment;
  return host === undefined || host === '' ? undefined : `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The part of @kubernetes/client-node that is used: reading the file, and whatever a user entry takes to become a header or a certificate. */
interface ClientLibrary {
  readonly KubeConfig: new () => {
    loadFromFile(file: string): void;
    getCurrentContext(): string;
    getCurrentCluster(): { readonly server: string; readonly skipTLSVerify?: boolean } | null;
    getContextObject(name: string): { readonly namespace?: string } | null;
    applyToHTTPSOptions(options: RequestOptions): Promise<void>;
  };
}

/** From a kubeconfig file, with the client library, since such a file may run programs and fetch tokens to log in. */
export async function kubeconfigAccess(source: string, file: string, load?: ImportModule): Promise<KubernetesAccess> {
  const { KubeConfig } = await loadOptionalPeer<ClientLibrary>(source, '@kubernetes/client-node', load);
  const config = new KubeConfig();
  const options: RequestOptions = {};
  try {
    config.loadFromFile(file);
    if (config.getCurrentCluster() !== null) await config.applyToHTTPSOptions(options);
  } catch (error) {
    throw unusable(source, file, reasonOf(error));
  }
  const cluster = config.getCurrentCluster();
  if (cluster === null) throw unusable(source, file, 'its current context names no cluster');
  return accessOf(cluster.server, config.getContextObject(config.getCurrentContext())?.namespace ?? 'default', options);
}

function accessOf(server: string, namespace: string, options: RequestOptions): KubernetesAccess {
  const headers = Object.fromEntries(Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), String(value)]));
  if (typeof options.auth === 'string') headers['authorization'] = `Basic ${Buffer.from(options.auth).toString('base64')}`;
  const { ca, cert, key, pfx, passphrase, servername, rejectUnauthorized, agent } = options;
  const tls = Object.fromEntries(Object.entries({ ca, cert, key, pfx, passphrase, servername, rejectUnauthorized }).filter(([, value]) => value !== undefined));
  const secrets = [headers['authorization']?.replace(/^\S+ /, '')].filter((secret) => secret !== undefined);
  return { server, namespace, headers, tls, ...(typeof agent === 'object' ? { agent } : {}), secrets };
}

/** The text of an error of the file or of a log-in program. One line of it, as a parser may quote the file it stumbled over. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'it may not be read';
  // The YAML parser shows the lines around a mistake, which may hold a token.
  return typeof message === 'string' && !message.includes('\n') ? message : 'it is not a valid kubeconfig';
}

function unusable(source: string, file: string, reason: string): EngramError {
  return new EngramError('discovery_failed', `${source}: the kubeconfig ${file} cannot be used: ${reason}`, {
    hint: 'Check it with: kubectl --kubeconfig FILE get pods',
    details: { source, file },
  });
}
