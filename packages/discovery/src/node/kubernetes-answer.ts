/** What of Kubernetes is listed and watched. */
export type KubernetesResource = 'pods' | 'endpointslices';

/** Which port of a pod or a slice is that of SWIM: a number, or the name that the manifest gives it. */
export type PortChoice = { readonly number: number } | { readonly name: string };

/** One page of a list. */
export interface ListPage {
  readonly objects: readonly unknown[];
  /** Where a watch goes on from. Opaque: never compared but for equality. */
  readonly resourceVersion: string;
  /** Asks for the next page; absent on the last. */
  readonly next?: string;
}

/** One line of a watch. */
export type WatchEvent =
  | { readonly kind: 'present' | 'gone'; readonly key: string; readonly object: unknown; readonly resourceVersion: string }
  | { readonly kind: 'bookmark'; readonly resourceVersion: string }
  /** `410 Gone`: the history that the watch was to go on from is no longer kept. */
  | { readonly kind: 'expired' }
  | { readonly kind: 'failed'; readonly status: number; readonly reason: string };

/** Reads a `PodList` or an `EndpointSliceList`. Undefined for anything else. */
export function listPage(answer: unknown): ListPage | undefined {
  const { metadata, items } = objectOf(answer);
  const { resourceVersion, continue: next } = objectOf(metadata);
  // An empty list may come as null.
  if ((!Array.isArray(items) && items !== null) || !isText(resourceVersion)) return undefined;
  return { objects: items ?? [], resourceVersion, ...(isText(next) ? { next } : {}) };
}

/** Reads one event of a watch. Undefined for anything that is none. */
export function watchEvent(line: unknown): WatchEvent | undefined {
  const { type, object } = objectOf(line);
  const { resourceVersion } = objectOf(objectOf(object)['metadata']);
  if (type === 'ERROR') return failureIn(object);
  if (!isText(resourceVersion)) return undefined;
  if (type === 'BOOKMARK') return { kind: 'bookmark', resourceVersion };
  const key = keyOf(object);
  if (key === undefined) return undefined;
  if (type === 'ADDED' || type === 'MODIFIED') return { kind: 'present', key, object, resourceVersion };
  return type === 'DELETED' ? { kind: 'gone', key, object, resourceVersion } : undefined;
}

/** What tells an object from one of the same name that came after it. */
export function keyOf(object: unknown): string | undefined {
  const { uid, namespace, name } = objectOf(objectOf(object)['metadata']);
  if (isText(uid)) return uid;
  return isText(name) ? `${isText(namespace) ? namespace : ''}/${name}` : undefined;
}

/** The message of a `Status`, which is how the API server words a refusal. */
export function statusMessage(answer: unknown): string | undefined {
  const { message } = objectOf(answer);
  return isText(message) ? message : undefined;
}

/** What one object stands for: places, and what it has that is no place, with the reason. Unchecked, as it came. */
export interface Contribution {
  readonly places: readonly { readonly host: unknown; readonly port: unknown }[];
  readonly leftOut: readonly string[];
}

const nothing: Contribution = { places: [], leftOut: [] };

/** What one pod or one slice stands for. */
export function contributionOf(resource: KubernetesResource, object: unknown, port: PortChoice): Contribution {
  return resource === 'pods' ? ofPod(object, port) : ofSlice(object, port);
}

/**
 * A pod counts whether or not it is ready: ready pods are those that already have peers. One that is on its way out, or
 * that ended, does not. (Kubernetes API, Pod v1: `deletionTimestamp`, `PodPhase`.)
 */
function ofPod(pod: unknown, port: PortChoice): Contribution {
  const { metadata, spec, status } = objectOf(pod);
  const { phase, podIP } = objectOf(status);
  if (objectOf(metadata)['deletionTimestamp'] || phase === 'Succeeded' || phase === 'Failed') return nothing;
  if (!isText(podIP)) return { places: [], leftOut: ['as it has no address yet'] };
  const number = 'number' in port ? port.number : containerPort(objectOf(spec), port.name);
  return number === undefined ? { places: [], leftOut: [withoutPort] } : { places: [{ host: podIP, port: number }], leftOut: [] };
}

const withoutPort = 'without a port of the given name';

function containerPort({ containers, initContainers }: Readonly<Record<string, unknown>>, name: string): unknown {
  for (const container of [...arrayOf(containers), ...arrayOf(initContainers)]) {
    const port = arrayOf(objectOf(container)['ports']).map(objectOf).find((candidate) => candidate['name'] === name);
    if (port !== undefined) return port['containerPort'];
  }
  return undefined;
}

/** All addresses of an endpoint are said to be alike, so the first one stands for it. (EndpointSlice discovery.k8s.io/v1.) */
function ofSlice(slice: unknown, port: PortChoice): Contribution {
  const { endpoints, ports } = objectOf(slice);
  const number = 'number' in port ? port.number : arrayOf(ports).map(objectOf).find((candidate) => candidate['name'] === port.name)?.['port'];
  const staying = arrayOf(endpoints).map(objectOf).filter(({ conditions }) => objectOf(conditions)['terminating'] !== true);
  if (number === undefined) return { places: [], leftOut: staying.map(() => withoutPort) };
  return { places: staying.map(({ addresses }) => ({ host: arrayOf(addresses)[0], port: number })), leftOut: [] };
}

function failureIn(object: unknown): WatchEvent {
  const { code, reason } = objectOf(object);
  if (code === 410 || reason === 'Expired' || reason === 'Gone') return { kind: 'expired' };
  return { kind: 'failed', status: typeof code === 'number' ? code : 0, reason: statusMessage(object) ?? 'no reason given' };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function arrayOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
