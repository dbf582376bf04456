import { performance } from 'node:perf_hooks';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { bindZone, has, startBind, startDnsmasq, startLyingServer } from '../../test/dns-servers.js';
import { createDiscovery } from './create-discovery.js';
import { dnsSource, type DnsSourceOptions } from './dns-source.js';

// Servers of other makers start at their own pace, on a busy machine at a slow one.
vi.setConfig({ testTimeout: 30_000 });

const running: { stop(): Promise<void> }[] = [];
afterEach(() => Promise.all(running.splice(0).map((server) => server.stop())));
async function started<T extends { stop(): Promise<void> }>(server: Promise<T>): Promise<T> {
  running.push(await server);
  return server;
}
/** Time enough for a busy machine; a test that is about time says its own. */
function ask(options: DnsSourceOptions, signal = new AbortController().signal) {
  return dnsSource({ timeoutMs: 5_000, ...options }).lookUp({ signal });
}

describe.skipIf(!has('dnsmasq', '--version'))('dnsmasq', () => {
  const lines = [
    'srv-host=_engram._tcp.test,node1.test,7946,0,5', 'srv-host=_engram._tcp.test,node2.test,7947,10,5', 'srv-host=_half._tcp.test,node1.test,1', 'srv-host=_half._tcp.test,gone.test,2',
    'srv-host=_gone._tcp.test,gone.test,1', 'srv-host=_not-offered._tcp.test',
    'host-record=node1.test,10.0.0.1,fd00::1', 'host-record=node2.test,10.0.0.2', 'txt-record=empty.test,nothing', 'local-ttl=7',
  ];

  test('SRV records give the ports, and the addresses of their targets the rest', async () => {
    const { address: resolver } = await started(startDnsmasq(lines));
    const { endpoints, ttlMs, notes } = await ask({ name: '_engram._tcp.test', resolver });
    expect([...endpoints].sort()).toEqual(['10.0.0.1:7946', '10.0.0.2:7947', '[fd00::1]:7946']);
    expect([ttlMs, notes]).toEqual([7_000, []]);
  });

  test('a headless service gives addresses, and the port is ours; without one, SRV is tried first', async () => {
    const { address: resolver } = await started(startDnsmasq(lines, '10.0.0.1 headless.test\n10.0.0.2 headless.test\nfd00::3 headless.test\n'));
    expect([...(await ask({ name: 'headless.test', port: 80, resolver })).endpoints].sort()).toEqual(['10.0.0.1:80', '10.0.0.2:80', '[fd00::3]:80']);
    expect([...(await ask({ name: 'node1.test', resolver })).endpoints].sort()).toEqual(['10.0.0.1:7946', '[fd00::1]:7946']);
    expect((await ask({ name: '_engram._tcp.test', port: 80, resolver })).endpoints).toHaveLength(3);
    expect((await ask({ name: 'node2.test', records: 'address', resolver: [resolver] })).endpoints).toEqual(['10.0.0.2:7946']);
  });

  test('one target that cannot be resolved hides no other; when none can, it is a failure', async () => {
    const { address: resolver } = await started(startDnsmasq(lines));
    const { endpoints, notes } = await ask({ name: '_half._tcp.test', resolver });
    expect([...endpoints].sort()).toEqual(['10.0.0.1:1', '[fd00::1]:1']);
    expect(notes).toEqual(['1 of 2 targets cannot be resolved wholly; gone.test: the name does not exist (NXDOMAIN)']);
    await expect(ask({ name: '_gone._tcp.test', resolver })).rejects.toThrow('A and AAAA of the targets of _gone._tcp.test: 1 of 1 cannot be resolved');
  });

  test('a name that does not exist is a failure that says where it was looked for; one without records is an empty answer', async () => {
    const { address: resolver } = await started(startDnsmasq(lines));
    await expect(ask({ name: '_typo._tcp.test', resolver })).rejects.toMatchObject({
      code: 'discovery_failed', retryable: true,
      message: `dns: asking ${resolver} for SRV _typo._tcp.test: the name does not exist (NXDOMAIN)`,
      hint: expect.stringContaining('check the spelling') as unknown,
    });
    await expect(ask({ name: 'typo.test', port: 1, resolver })).rejects.toThrow('for A and AAAA typo.test: the name does not exist (NXDOMAIN)');
    expect(await ask({ name: 'empty.test', port: 1, resolver })).toEqual({ endpoints: [], notes: ['empty.test has no A or AAAA record'] });
    expect(await ask({ name: 'node1.test', records: 'srv', resolver })).toEqual({ endpoints: [], notes: ['node1.test has no SRV record'] });
    expect(await ask({ name: '_not-offered._tcp.test', resolver })).toEqual({ endpoints: [], notes: ['_not-offered._tcp.test has no SRV record'] });
  });

  test('changed answers are followed, and a server that is killed takes nothing away', async () => {
    const server = await started(startDnsmasq([], '10.0.0.1 pods.test\n'));
    await using discovery = createDiscovery({ sources: [dnsSource({ name: 'pods.test', port: 1, resolver: server.address, refreshMs: 50, timeoutMs: 1_000 })], refreshMinMs: 20 });
    discovery.start();
    const sets = discovery.changes()[Symbol.asyncIterator]();
    expect((await sets.next()).value).toMatchObject({ endpoints: ['10.0.0.1:1'] });
    server.reload({ hosts: '10.0.0.1 pods.test\n10.0.0.2 pods.test\n' });
    expect((await sets.next()).value).toMatchObject({ version: 2, endpoints: ['10.0.0.1:1', '10.0.0.2:1'] });
    await server.stop();
    await vi.waitFor(() => expect(discovery.health().sources[0]).toMatchObject({ state: 'failing' }), { timeout: 10_000 });
    expect(discovery.current).toMatchObject({ version: 2, endpoints: ['10.0.0.1:1', '10.0.0.2:1'] });
  });

  test('two hundred addresses, more than a datagram holds, come whole', async () => {
    const hosts = Array.from({ length: 200 }, (_, i) => `10.0.${i >> 7}.${i & 127} many.test`).join('\n');
    const { address: resolver } = await started(startDnsmasq([], hosts));
    expect(new Set((await ask({ name: 'many.test', port: 1, resolver })).endpoints).size).toBe(200);
  });
});

describe.skipIf(!has('named', '-v'))('bind', () => {
  const service = (count: number): string[] => Array.from({ length: count }, (_, i) => `_engram._tcp IN SRV 0 0 7946 n${i}\nn${i} ${i === 3 ? 2 : 60} IN A 10.1.0.${i}`);

  test('two hundred SRV records with a target each come whole although no datagram holds them, and the shortest TTL counts', async () => {
    const { address: resolver } = await started(startBind(service(200), 'max-udp-size 512;'));
    const { endpoints, ttlMs, notes } = await ask({ name: '_engram._tcp.test', resolver });
    expect(new Set(endpoints).size).toBe(200);
    expect([ttlMs, notes]).toEqual([2_000, []]);
  });

  test('a zone that is reloaded is followed', async () => {
    const server = await started(startBind(service(3)));
    const source = dnsSource({ name: '_engram._tcp.test', resolver: server.address, timeoutMs: 5_000 });
    const count = async () => (await source.lookUp({ signal: new AbortController().signal })).endpoints.length;
    expect(await count()).toBe(3);
    server.reload({ zone: bindZone(service(5)) });
    await vi.waitFor(async () => expect(await count()).toBe(5), { timeout: 20_000 });
  });

  test('a name that a server does not answer for is refused in words', async () => {
    const { address: resolver } = await started(startBind([]));
    await expect(ask({ name: '_engram._tcp.example.com', resolver })).rejects.toThrow('the server refuses to answer (REFUSED)');
  });
});

describe('servers that misbehave', () => {
  test('a server that never answers is given up before the limit, and its sockets are let go', async () => {
    const silent = await started(startLyingServer(() => undefined));
    const from = performance.now();
    await expect(ask({ name: '_engram._tcp.test', resolver: silent.address, timeoutMs: 300 })).rejects.toMatchObject({ code: 'discovery_failed', message: expect.stringContaining('no answer in time') as unknown });
    // Not a claim about speed: left to itself, the resolver would go on for many seconds.
    expect(performance.now() - from).toBeLessThan(5_000);
    const asked = silent.questions;
    expect(asked).toBeGreaterThan(0);
  });

  test('what was answered in time is not lost with what was not', async () => {
    // Some load balancers never answer questions for AAAA.
    const half = await started(startLyingServer((question) => (typeOf(question) === 1 ? answerTo(question, [addressRecord(60, [10, 0, 0, 1])]) : undefined)));
    expect(await ask({ name: 'half.test', port: 1, resolver: half.address, timeoutMs: 400 })).toEqual({ endpoints: ['10.0.0.1:1'], ttlMs: 60_000, notes: ['half.test: no answer in time'] });
  });

  test('an aborted look-up ends at once', async () => {
    const silent = await started(startLyingServer(() => undefined));
    const abort = new AbortController();
    const found = ask({ name: '_engram._tcp.test', resolver: silent.address, timeoutMs: 60_000 }, abort.signal);
    abort.abort();
    await expect(found).rejects.toMatchObject({ code: 'discovery_failed' });
    await expect(ask({ name: '_engram._tcp.test', resolver: silent.address }, abort.signal)).rejects.toThrow('aborted');
  });

  test('where nothing listens, it says so', async () => {
    const gone = await startLyingServer(() => undefined);
    await gone.stop();
    await expect(ask({ name: '_engram._tcp.test', resolver: gone.address, timeoutMs: 1_000 })).rejects.toThrow(/nothing listens there|no answer in time/);
  });

  test.each([
    ['noise', () => Buffer.from('no DNS at all')],
    ['half an answer', (question: Buffer) => answerTo(question, [addressRecord(60, [10, 0, 0, 1])]).subarray(0, -3)],
    ['a name that points to itself', (question: Buffer) => answerTo(question, [Buffer.concat([Buffer.from([0xc0, question.length]), addressRecord(60, [10, 0, 0, 1]).subarray(2)])])],
    ['more records promised than there are', (question: Buffer) => { const bytes = answerTo(question, [addressRecord(60, [10, 0, 0, 1])]); bytes.writeUInt16BE(65_535, 6); return bytes; }],
    ['an answer to another question', (question: Buffer) => { const bytes = answerTo(question, [addressRecord(60, [10, 0, 0, 1])]); bytes[0] = (bytes[0] ?? 0) ^ 0xff; return bytes; }],
    ['an answer cut off although nothing listens for the rest', (question: Buffer) => { const bytes = answerTo(question, []); bytes[2] = 0x87; return bytes; }],
    ['SERVFAIL', (question: Buffer) => { const bytes = answerTo(question, []); bytes[3] = 2; return bytes; }],
  ])('%s is a failure in words, never a crash and never a peer', async (_, lie) => {
    const liar = await started(startLyingServer(lie));
    await expect(ask({ name: 'liar.test', port: 1, resolver: liar.address, timeoutMs: 400 })).rejects.toMatchObject({ code: 'discovery_failed' });
  });
});

test('a name that only the hosts file knows is found there, and it is said', async () => {
  const liar = await started(startLyingServer((question) => { const bytes = answerTo(question, []); bytes[3] = 3; return bytes; }));
  const found = await ask({ name: 'compose-service', port: 1, resolver: liar.address, lookup: () => Promise.resolve(['10.0.0.1', 'fd00::1']) });
  expect(found).toEqual({ endpoints: ['10.0.0.1:1', '[fd00::1]:1'], notes: ["compose-service was found by the machine's own resolver"] });
});

test.each([
  [{ name: '' }, 'option name must be a name in DNS like "_engram._tcp.example.com"; got ""'],
  [{ name: '10.0.0.1' }, 'option name must be a name in DNS'],
  [{ name: 'a b' }, 'option name must be a name in DNS'],
  [{ name: 'a', port: 0 }, 'option port must be a whole number from 1 to 65535, not 0'],
  [{ name: 'a', records: 'mx' as 'srv' }, 'option records must be auto, srv or address; got "mx"'],
  [{ name: 'a', resolver: 'dns.example.com' }, 'option resolver[0] must be the address of a DNS server, not a name'],
  [{ name: 'a', resolver: ['10.0.0.1', 'x y'] }, 'resolver[1] must be "host:port"'],
  [{ name: 'a', timeoutMs: 1 }, 'option timeoutMs must be a whole number from 10 to 600000, not 1'],
])('wrong options are refused by name: %#', (options, message) => {
  expect(() => dnsSource(options)).toThrow(message);
});

/** The type asked for: two bytes after the name, which follows the head of twelve. */
function typeOf(question: Buffer): number {
  return question.readUInt16BE(question.indexOf(0, 12) + 1);
}

/** The question back with these records, and without whatever followed it. */
function answerTo(question: Buffer, records: readonly Buffer[]): Buffer {
  const asked = Buffer.from(question.subarray(0, question.indexOf(0, 12) + 5));
  asked.set([0x85, 0x80, 0, 1, 0, records.length, 0, 0, 0, 0], 2);
  return Buffer.concat([asked, ...records]);
}

/** An A record of the name asked for, which stands at byte 12. */
function addressRecord(ttl: number, address: readonly [number, number, number, number]): Buffer {
  return Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, ttl, 0, 4, ...address]);
}
