import { OptionsError } from '@engram/kernel';
import { describe, expect, test } from 'vitest';
import { testBadDays } from '../../test/bad-days.js';
import { selfSigned } from '../../test/certificate.js';
import { catalogueEntry, healthEntry, permissionDenied } from '../../test/consul-fixtures.js';
import { forever, ScriptedServer, sendJson } from '../../test/scripted-server.js';
import type { SourceAnswer } from '../source.js';
import { consulSource } from './consul-source.js';

// No Consul runs here: a scripted server plays the documented answers.

const token = 'b1gs33cr3t-7c5e-4b7a';
const self = { cluster: 'production', nodeId: 'n1', swim: '10.1.10.12:7946', http: '10.1.10.12:7947', clusterId: 'c-1' };

describe('a look-up', () => {
  test('asks for passing services and takes the address of the node where the service has none', async () => {
    await using server = await ScriptedServer.start((_, response) => sendJson(response, [healthEntry('10.1.10.12', '', 7946), healthEntry('10.1.10.13', 'fd00::5', 7000)]));
    const source = consulSource({ address: server.address, token, tag: 'primary', datacenter: 'dc2' });
    expect(await source.lookUp(forever)).toEqual({ endpoints: ['10.1.10.12:7946', '[fd00::5]:7000'], notes: [] });
    const [asked] = server.asked;
    expect(asked?.path).toBe('/v1/health/service/engram');
    expect(Object.fromEntries(asked?.query ?? [])).toEqual({ passing: '1', stale: '1', tag: 'primary', dc: 'dc2' });
    expect(asked?.headers['x-consul-token']).toBe(token);
  });

  test('speaks TLS where an authority is given, and asks with its token only there', async (context) => {
    using certificate = selfSigned();
    if (certificate === undefined) return context.skip('no openssl on this machine');
    await using server = await ScriptedServer.start((_, response) => sendJson(response, [healthEntry('10.1.10.12', '', 7946)]), certificate);
    expect((await consulSource({ address: server.address, token, tls: { ca: certificate.cert } }).lookUp(forever)).endpoints).toEqual(['10.1.10.12:7946']);
    await expect(consulSource({ address: server.address, token, scheme: 'https' }).lookUp(forever)).rejects.toMatchObject({ hint: expect.stringContaining('certificate authority') });
    expect(server.asked).toHaveLength(1);
  });

  test('asks the catalogue where failing services count as well', async () => {
    await using server = await ScriptedServer.start((_, response) => sendJson(response, [catalogueEntry('192.168.10.10', '172.17.0.3', 5000), catalogueEntry('192.168.10.11', '', 5000)]));
    const source = consulSource({ address: server.url, service: 'engram', passingOnly: false });
    expect((await source.lookUp(forever)).endpoints).toEqual(['172.17.0.3:5000', '192.168.10.11:5000']);
    expect(server.asked[0]?.path).toBe('/v1/catalog/service/engram');
    expect(Object.fromEntries(server.asked[0]?.query ?? [])).toEqual({ stale: '1' });
  });

  test('escapes a service name, which cannot reach another path', async () => {
    await using server = await ScriptedServer.start((_, response) => sendJson(response, []));
    await consulSource({ address: server.address, service: '../../kv/secret?x=' }).lookUp(forever);
    expect(server.asked[0]?.path).toBe('/v1/health/service/..%2F..%2Fkv%2Fsecret%3Fx%3D');
  });

  test('no service at all is an answer, not a failure', async () => {
    await using server = await ScriptedServer.start((_, response) => sendJson(response, []));
    expect(await consulSource({ address: server.address }).lookUp(forever)).toEqual({ endpoints: [], notes: [] });
  });

  test('ten thousand services are cut to 1,024 endpoints, with a note', async () => {
    const many = Array.from({ length: 10_000 }, (_, i) => ({ Node: { Address: '' }, Service: { Address: `10.0.${i >> 8}.${i & 255}`, Port: 7946 } }));
    await using server = await ScriptedServer.start((_, response) => sendJson(response, many));
    const answer = await consulSource({ address: server.address }).lookUp(forever);
    expect(answer.endpoints).toHaveLength(1_024);
    expect(answer.notes).toEqual(['8976 endpoints left out, beyond the limit of 1024']);
  });

  test('entries without an address or a port are left out and counted', async () => {
    await using server = await ScriptedServer.start((_, response) => sendJson(response, [healthEntry('', '', 7946), healthEntry('10.0.0.1', '', 0), null, healthEntry('10.0.0.2', '', 7946)]));
    const answer = await consulSource({ address: server.address }).lookUp(forever);
    expect(answer).toEqual({ endpoints: ['10.0.0.2:7946'], notes: ['2 entries left out, without a usable address', '1 entry left out, without a usable port'] });
  });
});

describe('on a bad day', () => {
  testBadDays({
    sourceAt: (port, timeoutMs) => consulSource({ address: `127.0.0.1:${port}`, token, timeoutMs }),
    secret: token,
    refusal: { status: 403, text: permissionDenied, hint: /policy has service:read/ },
  });
});

describe('a watch', () => {
  /** Plays one index and one list of endpoints per query; after the last the query hangs, as Consul holds it. */
  async function watched(steps: readonly { readonly index?: string; readonly hosts: readonly string[] }[]) {
    const aborter = new AbortController();
    const answers: SourceAnswer[] = [];
    await using server = await ScriptedServer.start((_, response, count) => {
      const step = steps[count - 1];
      if (step === undefined) return aborter.abort();
      sendJson(response, step.hosts.map((host) => healthEntry('', host, 7946)), 200, step.index === undefined ? {} : { 'x-consul-index': step.index });
    });
    await consulSource({ address: server.address }).watch?.((answer) => answers.push(answer), { signal: aborter.signal });
    return { waited: server.asked.map(({ query }) => query.get('index')), waits: server.asked.map(({ query }) => query.get('wait')), answers: answers.map(({ endpoints }) => endpoints.length) };
  }

  test('waits behind the index that came last, and tells only what changed', async () => {
    const { waited, waits, answers } = await watched([
      { index: '17', hosts: ['10.0.0.1'] },
      { index: '17', hosts: ['10.0.0.1'] },
      { index: '23', hosts: ['10.0.0.1', '10.0.0.2'] },
    ]);
    expect(waited).toEqual([null, '17', '17', '23']);
    expect(waits).toEqual([null, '300s', '300s', '300s']);
    expect(answers).toEqual([1, 2]);
  });

  test('starts anew when the index goes backwards, as after a restored snapshot', async () => {
    const { waited, answers } = await watched([
      { index: '90', hosts: ['10.0.0.1'] },
      { index: '12', hosts: ['10.0.0.2'] },
      { index: '13', hosts: ['10.0.0.2'] },
    ]);
    expect(waited).toEqual([null, '90', null, '13']);
    expect(answers).toEqual([1, 1, 1]);
  });

  test('never waits behind an index of zero or one that is missing', async () => {
    expect((await watched([{ index: '0', hosts: [] }, { hosts: [] }])).waited).toEqual([null, null, null]);
  });

  test('rejects when Consul fails, so that discovery backs off', async () => {
    await using server = await ScriptedServer.start((_, response) => void response.writeHead(500).end('rpc error: No cluster leader'));
    await expect(consulSource({ address: server.address }).watch?.(() => undefined, forever)).rejects.toThrow('status 500: "rpc error: No cluster leader"');
  });
});

describe('a registration', () => {
  test('names the SWIM address, and a check on the HTTP port after which a lost node is forgotten', async () => {
    await using server = await ScriptedServer.start((_, response) => void response.end());
    const source = consulSource({ address: server.address, tag: 'primary', token });
    await source.register?.(self, forever);
    const [asked] = server.asked;
    expect(`${asked?.method} ${asked?.path}`).toBe('PUT /v1/agent/service/register');
    expect(asked?.headers['x-consul-token']).toBe(token);
    expect(JSON.parse(asked?.body ?? '')).toEqual({
      ID: 'engram-n1',
      Name: 'engram',
      Address: '10.1.10.12',
      Port: 7946,
      Tags: ['primary'],
      Meta: { engram_cluster: 'production', engram_node_id: 'n1', engram_cluster_id: 'c-1' },
      Check: { Name: 'Engram is alive', HTTP: 'http://10.1.10.12:7947/livez', Method: 'GET', Interval: '10s', Timeout: '5s', DeregisterCriticalServiceAfter: '10m' },
    });
  });

  test('is taken back on leaving, once, and also where the agent forgot it', async () => {
    await using server = await ScriptedServer.start(({ path }, response) => void response.writeHead(path.includes('deregister') ? 404 : 200).end());
    const source = consulSource({ address: server.address });
    await source.deregister?.(forever);
    await source.register?.(self, forever);
    await source.deregister?.(forever);
    await source.deregister?.(forever);
    expect(server.asked.map(({ method, path }) => `${method} ${path}`)).toEqual(['PUT /v1/agent/service/register', 'PUT /v1/agent/service/deregister/engram-n1']);
  });

  test('is made again when a restarted agent has forgotten it', async () => {
    await using server = await ScriptedServer.start(({ method, path }, response) => {
      if (path.startsWith('/v1/health')) return sendJson(response, [healthEntry('', '10.0.0.1', 7946)]);
      response.writeHead(method === 'GET' ? 404 : 200).end();
    });
    const source = consulSource({ address: server.address });
    await source.register?.(self, forever);
    expect(await source.lookUp(forever)).toEqual({ endpoints: ['10.0.0.1:7946'], notes: ['the agent had forgotten this node; it is registered again'] });
    expect(server.asked.filter(({ path }) => path.endsWith('/register'))).toHaveLength(2);
  });

  test('that cannot be checked is a note, and the look-up still counts', async () => {
    await using server = await ScriptedServer.start(({ method, path }, response) => {
      if (path.startsWith('/v1/health')) return sendJson(response, [healthEntry('', '10.0.0.1', 7946)]);
      if (method === 'GET') response.socket?.destroy();
      else response.end();
    });
    const source = consulSource({ address: server.address, token });
    await source.register?.(self, forever);
    const answer = await source.lookUp(forever);
    expect(answer.endpoints).toEqual(['10.0.0.1:7946']);
    expect(answer.notes?.join()).toContain('the registration of this node could not be checked');
    expect(answer.notes?.join()).not.toContain(token);
  });

  test('that the agent refuses says which right is missing', async () => {
    await using server = await ScriptedServer.start((_, response) => void response.writeHead(403).end(permissionDenied));
    await expect(consulSource({ address: server.address }).register?.(self, forever)).rejects.toMatchObject({ code: 'discovery_failed', hint: expect.stringContaining('service:write') });
  });
});

test('a registration whose answer was lost is taken back all the same', async () => {
  await using server = await ScriptedServer.start(({ path }, response) => void (path.includes('deregister') ? response.end() : response.socket?.destroy()));
  const source = consulSource({ address: server.address });
  await expect(source.register?.(self, forever)).rejects.toMatchObject({ code: 'discovery_failed' });
  await source.deregister?.(forever);
  expect(server.asked.at(-1)?.path).toBe('/v1/agent/service/deregister/engram-n1');
});

describe('options', () => {
  test('that cannot work are refused by name, and no secret is repeated', () => {
    expect(() => consulSource({ address: 'http://user:pass@consul:8500' })).toThrow(/^option address must not carry a user or a password/);
    expect(() => consulSource({ address: 'ftp://consul' })).toThrow(OptionsError);
    expect(() => consulSource({ address: 'con sul' })).toThrow(OptionsError);
    for (const service of ['', '.', '..']) expect(() => consulSource({ service })).toThrow(OptionsError);
    expect(() => consulSource({ waitMs: 700_000 })).toThrow(OptionsError);
    expect(() => consulSource({ token: 'abc\n' })).toThrow(expect.objectContaining({ message: expect.not.stringContaining('abc') }));
  });
});
