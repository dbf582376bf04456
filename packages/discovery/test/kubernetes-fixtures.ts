/**
 * Objects as the Kubernetes API serves them, shortened to what says where a pod is and what stands around it.
 * Pods: kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1.
 * Slices: kubernetes.io/docs/concepts/services-networking/endpoint-slices.
 * Lists, events, bookmarks and `410 Gone`: kubernetes.io/docs/reference/using-api/api-concepts.
 */

export interface PodFacts {
  readonly ip?: string;
  readonly phase?: string;
  readonly ready?: boolean;
  readonly terminating?: boolean;
  readonly resourceVersion?: string;
}

export function pod(name: string, { ip, phase = 'Running', ready = true, terminating = false, resourceVersion = '1' }: PodFacts): unknown {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'memory',
      uid: `uid-${name}`,
      resourceVersion,
      creationTimestamp: '2024-05-01T10:00:00Z',
      ...(terminating ? { deletionTimestamp: '2024-05-01T11:00:00Z', deletionGracePeriodSeconds: 30 } : {}),
      labels: { app: 'engram', 'statefulset.kubernetes.io/pod-name': name },
      ownerReferences: [{ apiVersion: 'apps/v1', kind: 'StatefulSet', name: 'engram', uid: 'b1', controller: true, blockOwnerDeletion: true }],
    },
    spec: {
      containers: [
        { name: 'proxy', image: 'proxy:1', ports: [{ name: 'metrics', containerPort: 9090, protocol: 'TCP' }] },
        { name: 'engram', image: 'engram:1', ports: [{ name: 'http', containerPort: 7947, protocol: 'TCP' }, { name: 'swim', containerPort: 7999, protocol: 'UDP' }] },
      ],
      nodeName: 'worker-1',
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
    },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastProbeTime: null, lastTransitionTime: '2024-05-01T10:00:05Z' }],
      hostIP: '192.168.0.11',
      ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
      startTime: '2024-05-01T10:00:00Z',
      qosClass: 'Burstable',
    },
  };
}

export function podList(pods: readonly unknown[], resourceVersion = '100', next?: string): unknown {
  return { kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion, ...(next === undefined ? {} : { continue: next, remainingItemCount: 7 }) }, items: pods };
}

export function endpointSliceList(): unknown {
  return {
    kind: 'EndpointSliceList',
    apiVersion: 'discovery.k8s.io/v1',
    metadata: { resourceVersion: '10245' },
    items: [
      {
        metadata: { name: 'engram-abc', namespace: 'memory', uid: '0e1', resourceVersion: '10240', labels: { 'kubernetes.io/service-name': 'engram' } },
        addressType: 'IPv4',
        ports: [{ name: 'http', protocol: 'TCP', port: 7947 }, { name: 'swim', protocol: 'UDP', port: 7946 }],
        endpoints: [
          { addresses: ['10.1.2.3'], conditions: { ready: true, serving: true, terminating: false }, hostname: 'engram-0', nodeName: 'node-1', zone: 'us-west2-a' },
          { addresses: ['10.1.2.4'], conditions: { ready: false, serving: false, terminating: false }, hostname: 'engram-1', nodeName: 'node-2', zone: 'us-west2-b' },
          { addresses: ['10.1.2.5'], conditions: { ready: false, serving: true, terminating: true }, hostname: 'engram-2', nodeName: 'node-3', zone: 'us-west2-b' },
        ],
      },
      {
        metadata: { name: 'engram-xyz', namespace: 'memory', uid: '0e2', resourceVersion: '10241', labels: { 'kubernetes.io/service-name': 'engram' } },
        addressType: 'IPv6',
        ports: [{ name: 'swim', protocol: 'UDP', port: 7946 }],
        endpoints: [{ addresses: ['fd00:10:244::7'], conditions: {} }],
      },
    ],
  };
}

export function event(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: unknown): string {
  return `${JSON.stringify({ type, object })}\n`;
}

export function bookmark(resourceVersion: string): string {
  return `${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'Pod', apiVersion: 'v1', metadata: { resourceVersion, creationTimestamp: null } } })}\n`;
}

export const gone = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message: 'too old resource version: 100 (4711)', reason: 'Expired', code: 410 };

export const forbidden = {
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message: 'pods is forbidden: User "system:serviceaccount:memory:engram" cannot list resource "pods" in API group "" in the namespace "memory"',
  reason: 'Forbidden',
  details: { kind: 'pods' },
  code: 403,
};
