import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OptionsError } from '@engram/kernel';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { testBadDays } from '../../test/bad-days.js';
import { selfSigned } from '../../test/certificate.js';
import { bookmark, endpointSliceList, event, forbidden, gone, pod, podList } from '../../test/kubernetes-fixtures.js';
import { closedPort, forever, ScriptedServer, sendHalf, sendJson, type Asked } from '../../test/scripted-server.js';
import type { SourceAnswer } from '../source.js';
import { kubernetesSource, type KubernetesSourceOptions } from './kubernetes-source.js';

// No Kubernetes runs here: a scripted server plays the documented answers.

const token = 'eyJhbGciOi.s3rvice-acc0unt.t0ken';
let account = '';
const certificate = selfSigned();
if (certificate === undefined) console.warn('skipped: tests of the Kubernetes source over TLS; no openssl on this machine');

beforeAll(() => {
  account = mkdtempSync(join(tmpdir(), 'engram-account-'));
  writeFileSync(join(account, 'token'), `${token}\n`);
  writeFileSync(join(account, 'namespace'), 'memory');
  writeFileSync(join(account, 'ca.crt'), certificate?.cert ?? '');
});
afterAll(() => {
  rmSync(account, { recursive: true, force: true });
  certificate?.[Symbol.dispose]();
});
afterEach(() => vi.unstubAllEnvs());

const sourceAt = (url: string, more: Partial<KubernetesSourceOptions> = {}) => kubernetesSource({ labelSelector: 'app=engram', apiServer: url, serviceAccountDirectory: account, ...more });

/** A server that serves one list, whatever is asked. */
const listing = (list: unknown) => ScriptedServer.start((_, response) => sendJson(response, list));

describe('a look-up', () => {
  test('asks for the pods of its own namespace by label, with the token of the service account', async () => {
    await using server = await listing(podList([pod('engram-0', { ip: '10.244.0.5' }), pod('engram-1', { ip: 'fd00:10:244::6' })]));
    expect(await sourceAt(server.url).lookUp(forever)).toEqual({ endpoints: ['10.244.0.5:7946', '[fd00:10:244::6]:7946'] });
    const [asked] = server.asked;
    expect(asked?.path).toBe('/api/v1/namespaces/memory/pods');
    expect(Object.fromEntries(asked?.query ?? [])).toEqual({ labelSelector: 'app=engram', limit: '250' });
    expect(asked?.headers.authorization).toBe(`Bearer ${token}`);
  });

  test('takes pods that are not ready, and none that is terminating, ended or without an address', async () => {
    await using server = await listing(
      podList([
        pod('starting', { ip: '10.244.0.1', ready: false }),
        pod('leaving', { ip: '10.244.0.2', terminating: true }),
        pod('evicted', { ip: '10.244.0.3', phase: 'Failed' }),
        pod('done', { ip: '10.244.0.4', phase: 'Succeeded' }),
        pod('scheduled', { phase: 'Pending' }),
      ]),
    );
    expect(await sourceAt(server.url).lookUp(forever)).toEqual({ endpoints: ['10.244.0.1:7946'], notes: ['1 entry left out, as it has no address yet'] });
  });

  test('finds the port by its name in the pod template', async () => {
    await using server = await listing(podList([pod('engram-0', { ip: '10.244.0.5' })]));
    expect((await sourceAt(server.url, { portName: 'swim' }).lookUp(forever)).endpoints).toEqual(['10.244.0.5:7999']);
    expect(await sourceAt(server.url, { portName: 'gossip' }).lookUp(forever)).toEqual({ endpoints: [], notes: ['1 entry left out, without a port of the given name'] });
  });

  test('reads EndpointSlices, those not ready included and those terminating not', async () => {
    await using server = await listing(endpointSliceList());
    const source = sourceAt(server.url, { resource: 'endpointslices', labelSelector: 'kubernetes.io/service-name=engram', portName: 'swim', namespace: 'other' });
    expect((await source.lookUp(forever)).endpoints).toEqual(['10.1.2.3:7946', '10.1.2.4:7946', '[fd00:10:244::7]:7946']);
    expect(server.asked[0]?.path).toBe('/apis/discovery.k8s.io/v1/namespaces/other/endpointslices');
  });

  test('reads every page of a list', async () => {
    await using server = await ScriptedServer.start(({ query }, response) =>
      sendJson(response, query.get('continue') === 'page-2' ? podList([pod('b', { ip: '10.0.0.2' })]) : podList([pod('a', { ip: '10.0.0.1' })], '100', 'page-2')),
    );
    expect((await sourceAt(server.url).lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946', '10.0.0.2:7946']);
  });

  test('begins a list anew once when its next page is no longer kept', async () => {
    await using server = await ScriptedServer.start(({ query }, response, count) => {
      if (query.get('continue') === null) return sendJson(response, podList([pod('a', { ip: '10.0.0.1' })], '100', `page-${count}`));
      if (query.get('continue') === 'page-1') return sendJson(response, gone, 410);
      sendJson(response, podList([pod('b', { ip: '10.0.0.2' })]));
    });
    expect((await sourceAt(server.url).lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946', '10.0.0.2:7946']);
    expect(server.asked).toHaveLength(4);
  });

  test('of a list without end reads ten thousand pods, of which 1,024 count, with notes', async () => {
    await using server = await ScriptedServer.start(({ query }, response) => {
      const page = Number(query.get('continue') ?? 0);
      const pods = Array.from({ length: 250 }, (_, i) => ({ metadata: { uid: `${page}-${i}` }, status: { podIP: `10.${page >> 8}.${page & 255}.${i}` } }));
      sendJson(response, podList(pods, '100', String(page + 1)));
    });
    const answer = await sourceAt(server.url).lookUp(forever);
    expect(answer.endpoints).toHaveLength(1_024);
    expect(answer.notes).toEqual(['more than 10000 pods, of which the first 10000 were read', '8976 endpoints left out, beyond the limit of 1024']);
    expect(server.asked).toHaveLength(40);
  });
});

describe('on a bad day', () => {
  testBadDays({
    sourceAt: (port, timeoutMs) => sourceAt(`http://127.0.0.1:${port}`, { timeoutMs }),
    secret: token,
    refusal: { status: 403, text: JSON.stringify(forbidden), hint: /Role with the verbs list and watch on pods/ },
  });

  test('an expired token is told as such', async () => {
    await using server = await ScriptedServer.start((_, response) => sendJson(response, { kind: 'Status', message: 'Unauthorized', code: 401 }, 401));
    await expect(sourceAt(server.url).lookUp(forever)).rejects.toMatchObject({ message: expect.stringContaining('"Unauthorized"'), hint: expect.stringContaining('token is not accepted') });
  });
});

describe('a watch', () => {
  type Step = (response: ServerResponse, asked: Asked) => void;
  const stream = (...lines: readonly string[]): Step => (response) => void response.end(lines.join(''));
  const list = (...args: Parameters<typeof podList>): Step => (response) => sendJson(response, podList(...args));

  /** Plays one step per request; after the last the watch is aborted. */
  async function watched(...steps: readonly Step[]) {
    const aborter = new AbortController();
    const told: (readonly string[])[] = [];
    await using server = await ScriptedServer.start((asked, response, count) => {
      const step = steps[count - 1];
      if (step === undefined) aborter.abort();
      else step(response, asked);
    });
    const ended = await sourceAt(server.url).watch?.(({ endpoints }: SourceAnswer) => told.push(endpoints), { signal: aborter.signal }).then(() => 'resolved', (error: Error) => error.message);
    return { told, ended, asked: server.asked.map(({ query }) => (query.has('watch') ? `watch ${query.get('resourceVersion')}` : 'list')) };
  }

  const a = pod('a', { ip: '10.0.0.1', resourceVersion: '101' });
  const b = pod('b', { ip: '10.0.0.2', resourceVersion: '102' });

  test('tells who comes and who goes, and nothing of what does not move an address', async () => {
    const { told, asked } = await watched(
      list([a]),
      stream(
        event('ADDED', b),
        event('MODIFIED', pod('b', { ip: '10.0.0.2', ready: false, resourceVersion: '103' })),
        event('MODIFIED', pod('a', { ip: '10.0.0.1', terminating: true, resourceVersion: '104' })),
        event('DELETED', pod('b', { ip: '10.0.0.2', resourceVersion: '105' })),
      ),
    );
    expect(told).toEqual([['10.0.0.1:7946'], ['10.0.0.1:7946', '10.0.0.2:7946'], ['10.0.0.2:7946'], []]);
    expect(asked).toEqual(['list', 'watch 100', 'watch 105']);
  });

  test('asks for bookmarks and resumes from the last one without a new list', async () => {
    let options: URLSearchParams | undefined;
    const { asked } = await watched(list([a]), (response, { query }) => {
      options = query;
      response.end(bookmark('250'));
    });
    expect(asked).toEqual(['list', 'watch 100', 'watch 250']);
    expect(options?.get('allowWatchBookmarks')).toBe('true');
    expect(options?.get('timeoutSeconds')).toBe('290');
    expect(options?.get('labelSelector')).toBe('app=engram');
  });

  test('lists anew when the history expired, told as an event or as a status', async () => {
    const { told, asked } = await watched(
      list([a]),
      stream(bookmark('120'), `${JSON.stringify({ type: 'ERROR', object: gone })}\n`),
      list([a, b], '300'),
      (response) => sendJson(response, gone, 410),
      list([b], '400'),
    );
    expect(told).toEqual([['10.0.0.1:7946'], ['10.0.0.1:7946', '10.0.0.2:7946'], ['10.0.0.2:7946']]);
    expect(asked).toEqual(['list', 'watch 100', 'list', 'watch 300', 'list', 'watch 400']);
  });

  test('that expires as soon as it was listed, again and again, is left to the back-off', async () => {
    const expired: Step = (response) => sendJson(response, gone, 410);
    expect((await watched(list([a]), expired, list([a]), expired, list([a]), expired)).ended).toContain('expired 3 times as soon as it was listed');
  });

  test('rejects where the stream breaks off, is refused or is rubbish', async () => {
    expect((await watched(list([a]), (response) => sendHalf(response, event('ADDED', b)))).ended).toContain('in the middle of the answer');
    expect((await watched(list([a]), (response) => sendJson(response, forbidden, 403))).ended).toContain('status 403');
    expect((await watched(list([a]), stream('{"type":"ADDED"}\n'))).ended).toContain('no event of a watch');
    expect((await watched(list([a]), stream('not json\n'))).ended).toContain('not JSON');
    const error = { type: 'ERROR', object: { kind: 'Status', code: 500, message: 'etcdserver: request timed out' } };
    expect((await watched(list([a]), stream(JSON.stringify(error)))).ended).toContain('status 500: "etcdserver: request timed out"');
  });
});

describe('inside a pod', () => {
  test.skipIf(certificate === undefined)('the address comes from the environment and the server must show a certificate of the cluster', async () => {
    await using server = await ScriptedServer.start((_, response) => sendJson(response, podList([pod('a', { ip: '10.0.0.1' })])), certificate);
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '127.0.0.1');
    vi.stubEnv('KUBERNETES_SERVICE_PORT', String(server.port));
    const source = kubernetesSource({ labelSelector: 'app=engram', serviceAccountDirectory: account });
    expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946']);
  });

  test.skipIf(certificate === undefined)('a server that another authority vouches for is not told the token', async () => {
    using other = selfSigned();
    await using server = await ScriptedServer.start((_, response) => sendJson(response, podList([])), other);
    await expect(sourceAt(`https://${server.address}`).lookUp(forever)).rejects.toMatchObject({ code: 'discovery_failed', hint: expect.stringContaining('certificate authority') });
    expect(server.asked).toEqual([]);
  });

  test('a rotated token is used from the next look-up on', async () => {
    await using server = await listing(podList([]));
    const source = sourceAt(server.url);
    await source.lookUp(forever);
    writeFileSync(join(account, 'token'), 'another');
    await source.lookUp(forever);
    writeFileSync(join(account, 'token'), token);
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${token}`, 'Bearer another']);
  });

  test('elsewhere the message says that this is no pod, or that the account is not mounted', async () => {
    vi.stubEnv('KUBERNETES_SERVICE_HOST', '');
    await expect(kubernetesSource({ labelSelector: 'app=engram' }).lookUp(forever)).rejects.toMatchObject({ message: expect.stringContaining('this is not a pod'), hint: expect.stringContaining('kubeconfig') });
    await expect(sourceAt('http://127.0.0.1:1', { serviceAccountDirectory: join(account, 'none') }).lookUp(forever)).rejects.toMatchObject({ message: expect.stringContaining('ENOENT'), hint: expect.stringContaining('automountServiceAccountToken') });
  });
});

describe('with a kubeconfig', () => {
  const kubeconfig = (server: string): string => {
    const file = join(account, 'kubeconfig');
    writeFileSync(file, [
      ...['apiVersion: v1', 'kind: Config', 'current-context: here'],
      `clusters: [{name: c, cluster: {server: "${server}", certificate-authority-data: ${Buffer.from(certificate?.cert ?? '').toString('base64')}}}]`,
      'contexts: [{name: here, context: {cluster: c, user: u, namespace: from-context}}]',
      `users: [{name: u, user: {token: ${token}}}]`,
    ].join('\n'));
    return file;
  };

  test.skipIf(certificate === undefined)('server, authority, user and namespace are those of its current context', async () => {
    await using server = await ScriptedServer.start((_, response) => sendJson(response, podList([pod('a', { ip: '10.0.0.1' })])), certificate);
    const source = kubernetesSource({ labelSelector: 'app=engram', kubeconfig: kubeconfig(`https://${server.address}`) });
    expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946']);
    expect(server.asked[0]?.path).toBe('/api/v1/namespaces/from-context/pods');
    expect(server.asked[0]?.headers.authorization).toBe(`Bearer ${token}`);
  });

  test('a failure of the server does not print the token of the file', async () => {
    const file = kubeconfig(`https://127.0.0.1:${await closedPort()}`);
    const error = await kubernetesSource({ labelSelector: 'app=engram', kubeconfig: file }).lookUp(forever).catch((reason: Error) => reason);
    expect(error).toMatchObject({ code: 'discovery_failed' });
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(token);
  });

  test('a file that is missing or broken is named, and not quoted', async () => {
    const reasonFor = async (file: string): Promise<string> => String(await kubernetesSource({ labelSelector: 'app=engram', kubeconfig: file }).lookUp(forever).catch((reason: Error) => reason));
    expect(await reasonFor(join(account, 'nowhere'))).toContain('there is no such file');
    const broken = join(account, 'broken');
    writeFileSync(broken, `users: [{name: u, user: {token: ${token}]}`);
    expect(await reasonFor(broken)).toContain('not a valid kubeconfig');
    expect(await reasonFor(broken)).not.toContain(token);
  });

  test('a client library that is not installed is told with the command that installs it', async () => {
    const load = () => Promise.reject(Object.assign(new Error("Cannot find package '@kubernetes/client-node' imported from x"), { code: 'ERR_MODULE_NOT_FOUND' }));
    await expect(kubernetesSource({ labelSelector: 'app=engram', kubeconfig: 'k', load }).lookUp(forever)).rejects.toMatchObject({ code: 'discovery_failed', hint: 'Run: npm install @kubernetes/client-node@^1.4.0' });
  });
});

describe('options', () => {
  test('that cannot work are refused by name', () => {
    expect(() => kubernetesSource({ labelSelector: ' ' })).toThrow(/^option labelSelector/);
    expect(() => kubernetesSource({} as { labelSelector: string })).toThrow(/^option labelSelector/);
    expect(() => kubernetesSource({ labelSelector: 'a=b', port: 1, portName: 'swim' })).toThrow(OptionsError);
    expect(() => kubernetesSource({ labelSelector: 'a=b', port: 70_000 })).toThrow(/^option port/);
    expect(() => kubernetesSource({ labelSelector: 'a=b', apiServer: 'https://user:pw@k8s' })).toThrow(/^option apiServer must not carry/);
    expect(() => kubernetesSource({ labelSelector: 'a=b', namespace: '..' })).toThrow(/^option namespace/);
    expect(() => kubernetesSource({ labelSelector: 'a=b', resource: 'nodes' as 'pods' })).toThrow(/^option resource/);
  });
});
