import { EngramError, OptionsError } from '@engram/kernel';
import { defaultPort } from '../core/endpoint.js';
import type { DiscoverySource, SourceAnswer, SourceCallOptions } from '../source.js';
import { apiAddress, below, isPathPart } from './api-address.js';
import { callHttp, failed, openLines, parseJson, refused, textOf, type HttpCall } from './bounded-http.js';
import { inClusterAccess, kubeconfigAccess, serviceAccountDirectory, type KubernetesAccess } from './kubernetes-access.js';
import { listPage, statusMessage, watchEvent, type KubernetesResource, type PortChoice } from './kubernetes-answer.js';
import { KubernetesObjects } from './kubernetes-objects.js';
import type { ImportModule } from './optional-peer.js';
import { pause } from './pause.js';
import { checkWhole, type SourceTiming } from './source-options.js';

export interface KubernetesSourceOptions extends SourceTiming {
  /** `pods` asks for the pods themselves; `endpointslices` for what a service points at. @default 'pods' */
  readonly resource?: KubernetesResource;
  /** As kubectl takes it: `app=engram`; for slices usually `kubernetes.io/service-name=engram`. */
  readonly labelSelector: string;
  /** @default that of this pod, or of the context of the kubeconfig */
  readonly namespace?: string;
  /** Port of SWIM. @default 7946 */
  readonly port?: number;
  /** Name of that port in the pod template or the service, instead of a number. */
  readonly portName?: string;
  /** Path of a kubeconfig file; needs the package @kubernetes/client-node. @default the service account of this pod, which needs nothing */
  readonly kubeconfig?: string;
  /** @default the address that Kubernetes puts into the environment of every pod */
  readonly apiServer?: string;
  /** @default '/var/run/secrets/kubernetes.io/serviceaccount' */
  readonly serviceAccountDirectory?: string;
  /** How often to ask besides the watch, in milliseconds. @default 60_000 */
  readonly refreshMs?: number;
  /** For one look-up, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number;
  /** Loads the client library; for those who bundle it. @default import */
  readonly load?: ImportModule;
}

/** Objects in one page of a list; a pod takes about ten kilobytes. */
const pageObjects = 250;
/** How long the API server is asked to keep a watch open, in seconds; it then goes on from where it was. */
const watchSeconds = 290;
const watchPauseMs = 500;
const watchPauseMsMax = 30_000;
/** Lists whose watch was expired from the start, after which it is left to the back-off of discovery. */
const expiriesMax = 3;

/**
 * Finds peers as pods, or as the EndpointSlices of a service, by label selector: one list, then a watch that resumes
 * from where it was, and a new list when the API server no longer knows that place (`410 Gone`). Pods that are not ready
 * count, those that are terminating do not. The service account needs `get`, `list` and `watch` on the resource.
 *
 * Sources: Kubernetes API concepts, "Efficient detection of changes"; API reference of Pod v1 and EndpointSlice v1.
 */
export function kubernetesSource(options: KubernetesSourceOptions): DiscoverySource {
  return new KubernetesSource(options);
}

class KubernetesSource implements DiscoverySource {
  readonly name: string;
  readonly refreshMs: number;
  readonly timeoutMs: number;
  readonly #options: KubernetesSourceOptions;
  readonly #resource: KubernetesResource;
  readonly #port: PortChoice;

  constructor(options: KubernetesSourceOptions) {
    const { port, portName, labelSelector } = options;
    this.#options = options;
    this.#resource = options.resource ?? 'pods';
    this.#port = portName === undefined ? { number: port ?? defaultPort } : { name: portName };
    this.name = options.name ?? 'kubernetes';
    this.refreshMs = options.refreshMs ?? 60_000;
    this.timeoutMs = options.timeoutMs ?? 10_000;
    checkWhole('timeoutMs', this.timeoutMs, 10, 600_000);
    if (this.#resource !== 'pods' && this.#resource !== 'endpointslices') throw new OptionsError('resource', 'must be "pods" or "endpointslices"');
    if (typeof labelSelector !== 'string' || labelSelector.trim() === '') throw new OptionsError('labelSelector', 'must be a text that is not empty, or every pod of the namespace would be taken for a node; write it like "app=engram"');
    if (port !== undefined && portName !== undefined) throw new OptionsError('portName', 'and port contradict one another; give one of them');
    if (port !== undefined) checkWhole('port', port, 1, 65_535);
    if (options.namespace !== undefined && !isPathPart(options.namespace)) throw new OptionsError('namespace', 'must be the name of a namespace');
    // Only read for the complaint it may have; used when the access is known.
    if (options.apiServer !== undefined) apiAddress('apiServer', options.apiServer, { scheme: 'https', port: 443 });
  }

  async lookUp({ signal }: SourceCallOptions): Promise<SourceAnswer> {
    return (await this.#list(await this.#access(), signal)).answer();
  }

  async watch(emit: (answer: SourceAnswer) => void, { signal }: SourceCallOptions): Promise<void> {
    let expiries = 0;
    while (!signal.aborted) {
      const objects = await this.#list(await this.#access(), signal);
      emit(objects.answer());
      const listed = objects.resourceVersion;
      await this.#follow(objects, emit, signal);
      expiries = objects.resourceVersion === listed ? expiries + 1 : 0;
      if (expiries >= expiriesMax && !signal.aborted) {
        throw this.#failure(`the history of ${this.#resource} expired ${expiriesMax} times as soon as it was listed`, 'Look at the log of the API server; it is asked again by itself.');
      }
    }
  }

  /** Watches, and resumes each time the server closes; resolves when the history expired or the signal aborts. */
  async #follow(objects: KubernetesObjects, emit: (answer: SourceAnswer) => void, signal: AbortSignal): Promise<void> {
    let pauseMs = watchPauseMs;
    while (!signal.aborted) {
      const before = objects.resourceVersion;
      try {
        if ((await this.#watchOnce(objects, emit, signal)) === 'expired') return;
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      // A server that closes at once and tells nothing must not be asked in a tight circle.
      pauseMs = objects.resourceVersion === before ? Math.min(2 * pauseMs, watchPauseMsMax) : watchPauseMs;
      await pause(pauseMs, signal);
    }
  }

  async #watchOnce(objects: KubernetesObjects, emit: (answer: SourceAnswer) => void, signal: AbortSignal): Promise<'closed' | 'expired'> {
    const query = { watch: '1', allowWatchBookmarks: 'true', timeoutSeconds: String(watchSeconds), resourceVersion: objects.resourceVersion };
    const call = this.#call(await this.#access(), query, signal, (watchSeconds + 15) * 1_000);
    const { status, lines } = await openLines(call);
    if (status !== 200) {
      const text = await textOf(call, lines);
      if (status === 410) return 'expired';
      throw this.#refused(call, status, text);
    }
    for await (const line of lines) {
      const event = watchEvent(parseJson(call, line));
      if (event === undefined) throw failed(call, 'answered with JSON that is no event of a watch', addressHint);
      if (event.kind === 'expired') return 'expired';
      if (event.kind === 'failed') throw this.#refused(call, event.status, JSON.stringify({ message: event.reason }));
      objects.resourceVersion = event.resourceVersion;
      if (event.kind === 'present' && objects.set(event.key, event.object)) emit(objects.answer());
      if (event.kind === 'gone' && objects.delete(event.key)) emit(objects.answer());
    }
    return 'closed';
  }

  /** All pages of a list. A list whose next page is no longer kept is begun anew, once. */
  async #list(access: KubernetesAccess, signal: AbortSignal, mayBeginAnew = true): Promise<KubernetesObjects> {
    const objects = new KubernetesObjects(this.#resource, this.#port);
    let next: string | undefined;
    do {
      const call = this.#call(access, { limit: String(pageObjects), continue: next }, signal, this.timeoutMs);
      const { status, text } = await callHttp(call);
      if (status === 410 && next !== undefined && mayBeginAnew) return await this.#list(access, signal, false);
      if (status !== 200) throw this.#refused(call, status, text);
      const page = listPage(parseJson(call, text));
      if (page === undefined) throw failed(call, `answered with JSON that is no list of ${this.#resource}`, addressHint);
      for (const object of page.objects) objects.add(object);
      objects.resourceVersion = page.resourceVersion;
      next = page.next;
    } while (next !== undefined && !objects.isFull);
    if (next !== undefined) objects.truncated = true;
    return objects;
  }

  async #access(): Promise<KubernetesAccess> {
    const { kubeconfig, apiServer, load } = this.#options;
    if (kubeconfig !== undefined) return await kubeconfigAccess(this.name, kubeconfig, load);
    return await inClusterAccess(this.name, this.#options.serviceAccountDirectory ?? serviceAccountDirectory, process.env, apiServer);
  }

  #call(access: KubernetesAccess, query: Record<string, string | undefined>, signal: AbortSignal, silenceMsMax: number): HttpCall {
    const group = this.#resource === 'pods' ? ['api', 'v1'] : ['apis', 'discovery.k8s.io', 'v1'];
    const server = apiAddress('apiServer', this.#options.apiServer ?? access.server, { scheme: 'https', port: 443 });
    const path = [...group, 'namespaces', this.#options.namespace ?? access.namespace, this.#resource];
    const { headers, tls, agent, secrets } = access;
    return {
      source: this.name,
      method: 'GET',
      url: below(server, path, { labelSelector: this.#options.labelSelector, ...query }),
      headers,
      ...(tls === undefined ? {} : { tls }),
      ...(agent === undefined ? {} : { agent }),
      signal,
      silenceMsMax,
      secrets,
    };
  }

  #refused(call: HttpCall, status: number, text: string): EngramError {
    let message: string | undefined;
    try {
      message = statusMessage(JSON.parse(text));
    } catch {
      // Not a Status; the text itself is told.
    }
    const rights = `Give the service account a Role with the verbs list and watch on ${this.#resource}, and a RoleBinding.`;
    return refused(call, status, message ?? text, { 401: 'The token is not accepted; check the service account or the user of the kubeconfig.', 403: rights, 404: addressHint });
  }

  #failure(what: string, hint: string): EngramError {
    return new EngramError('discovery_failed', `${this.name}: ${what}`, { hint, details: { source: this.name } });
  }
}

const addressHint = 'Check that the address is that of a Kubernetes API server of 1.21 or later, and the namespace.';
