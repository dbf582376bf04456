import { OptionsError } from '@engram/kernel';
import { describe, expect, test, vi } from 'vitest';
import { testBadDays } from '../../test/bad-days.js';
import { selfSigned } from '../../test/certificate.js';
import { EtcdServer, etcdMissing } from '../../test/etcd-server.js';
import { closedPort, forever, ScriptedServer } from '../../test/scripted-server.js';
import type { SourceAnswer } from '../source.js';
import { createDiscovery } from './create-discovery.js';
import { etcdSource, type EtcdSourceOptions } from './etcd-source.js';

if (etcdMissing !== undefined) console.warn(`skipped: tests of the etcd source against a real etcd; ${etcdMissing}`);

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const self = (nodeId: string, port = 7946) => ({ cluster: 'production', nodeId, swim: `10.0.0.1:${port}`, http: '10.0.0.1:7947' });
const soon = { timeout: 15_000, interval: 50 };

/** Follows the source until disposed of, and holds what it told last. */
function following(source: ReturnType<typeof etcdSource>) {
  const aborter = new AbortController();
  const told: SourceAnswer[] = [];
  const ended = source.watch?.((answer) => told.push(answer), { signal: aborter.signal }).catch((error: unknown) => error);
  return { told, ended, last: () => told.at(-1)?.endpoints, async [Symbol.asyncDispose]() { aborter.abort(); await ended; } };
}

describe.skipIf(etcdMissing !== undefined)('against a real etcd', { timeout: 60_000 }, () => {
  test('a node that registers is found by others until it leaves', async () => {
    await using etcd = await EtcdServer.start();
    const [one, two] = [etcdSource({ endpoints: [etcd.address] }), etcdSource({ endpoints: [etcd.address] })];
    expect(await two.lookUp(forever)).toEqual({ endpoints: [] });
    await one.register?.(self('n1'), forever);
    await two.register?.(self('n2', 7950), forever);
    expect(await two.lookUp(forever)).toEqual({ endpoints: ['10.0.0.1:7946', '10.0.0.1:7950'] });
    await one.deregister?.(forever);
    expect(await two.lookUp(forever)).toEqual({ endpoints: ['10.0.0.1:7950'] });
    await one.deregister?.(forever);
    await two.close?.();
  });

  test('registering again replaces what was registered, under one key', async () => {
    await using etcd = await EtcdServer.start();
    const source = etcdSource({ endpoints: [etcd.address] });
    await source.register?.(self('n1', 7946), forever);
    await source.register?.(self('n1', 7999), forever);
    expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7999']);
    await source.deregister?.(forever);
    expect((await source.lookUp(forever)).endpoints).toEqual([]);
  });

  test('three nodes find each other through it, and what they found outlives etcd', async () => {
    await using etcd = await EtcdServer.start();
    const endpointOf = (port: number): string => `10.0.0.1:${port}`;
    const ports = [7946, 7947, 7948];
    const discoveryThrough = () => createDiscovery({ sources: [etcdSource({ endpoints: [etcd.address] })] });
    await using one = discoveryThrough();
    await using two = discoveryThrough();
    await using three = discoveryThrough();
    const discoveries = [one, two, three];
    for (const [i, discovery] of discoveries.entries()) {
      discovery.start();
      expect(await discovery.register(self(`n${i}`, ports[i]))).toEqual({ registered: ['etcd'], failures: [] });
    }
    const everyoneFoundTheOthers = (): void => discoveries.forEach(({ current }, i) => expect(current.endpoints).toEqual(ports.filter((port) => port !== ports[i]).map(endpointOf)));
    await vi.waitFor(everyoneFoundTheOthers, soon);
    await etcd.down();
    await vi.waitFor(async () => expect((await one.discover()).failures[0]).toMatchObject({ source: 'etcd', reason: expect.stringContaining('refused') }), soon);
    everyoneFoundTheOthers();
  });

  test('one prefix does not see the nodes of another, and keys put by hand count', async () => {
    await using etcd = await EtcdServer.start();
    const put = (key: string, value: string) => etcd.ask('kv/put', { key: base64(key), value: base64(value) });
    await put('/a/1', '10.0.0.1:7946');
    await put('/a/2', 'peer.example:7000\n');
    await put('/a/3', 'what is this');
    await put('/b/1', '10.0.0.9:7946');
    expect(await etcdSource({ endpoints: [etcd.address], prefix: '/a/' }).lookUp(forever)).toEqual({
      endpoints: ['10.0.0.1:7946', 'peer.example:7000'],
      notes: ['1 entry left out, with a value that is neither host:port nor a registration'],
    });
  });

  test('a watch tells who comes, who leaves, and whose lease ran out', async () => {
    await using etcd = await EtcdServer.start();
    const options = { endpoints: [etcd.address], leaseTtlMs: 1_000 };
    const [one, two] = [etcdSource(options), etcdSource(options)];
    await using watch = following(etcdSource(options));
    await vi.waitFor(() => expect(watch.last()).toEqual([]), soon);
    await one.register?.(self('n1'), forever);
    await two.register?.(self('n2', 7950), forever);
    await vi.waitFor(() => expect(watch.last()).toEqual(['10.0.0.1:7946', '10.0.0.1:7950']), soon);
    await one.deregister?.(forever);
    await vi.waitFor(() => expect(watch.last()).toEqual(['10.0.0.1:7950']), soon);
    // Closing stops the renewal and leaves the key behind, as a crash does.
    await two.close?.();
    expect((await two.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7950']);
    await vi.waitFor(() => expect(watch.last()).toEqual([]), soon);
  });

  test('a lease is kept alive beyond its time', async () => {
    await using etcd = await EtcdServer.start();
    const source = etcdSource({ endpoints: [etcd.address], leaseTtlMs: 1_000 });
    await source.register?.(self('n1'), forever);
    const keyOf = async () => ((await etcd.ask('kv/range', { key: base64('/engram/nodes/n1') }))['kvs'] as { lease: string }[] | undefined)?.[0];
    const { lease } = (await keyOf()) ?? {};
    // The clock of etcd cannot be moved by hand, so this one test waits for a second lease that must not begin.
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect((await keyOf())?.lease).toBe(lease);
    await source.close?.();
  });

  test('a lease that was lost is granted anew, and a key that was deleted comes back', async () => {
    await using etcd = await EtcdServer.start();
    const source = etcdSource({ endpoints: [etcd.address], leaseTtlMs: 1_000 });
    await source.register?.(self('n1'), forever);
    const key = base64('/engram/nodes/n1');
    const leaseOf = async () => ((await etcd.ask('kv/range', { key }))['kvs'] as { lease: string }[] | undefined)?.[0]?.lease;
    const first = await leaseOf();
    await etcd.ask('lease/revoke', { ID: first });
    expect(await leaseOf()).toBeUndefined();
    await vi.waitFor(async () => expect(await leaseOf()).toBeDefined(), soon);
    const second = await leaseOf();
    expect(second).not.toBe(first);
    await etcd.ask('kv/deleterange', { key });
    await vi.waitFor(async () => expect(await leaseOf()).toBe(second), soon);
    await source.deregister?.(forever);
    expect(await leaseOf()).toBeUndefined();
  });

  test('while etcd is down a look-up says so; once it is back the node is registered again, even if etcd forgot all', async () => {
    await using etcd = await EtcdServer.start();
    const source = etcdSource({ endpoints: [etcd.address], leaseTtlMs: 1_000 });
    await source.register?.(self('n1'), forever);
    const watch = following(source);
    await vi.waitFor(() => expect(watch.last()).toEqual(['10.0.0.1:7946']), soon);
    await etcd.down();
    await expect(source.lookUp(forever)).rejects.toMatchObject({ code: 'discovery_failed', message: expect.stringContaining('refused') });
    // The watch ends, and it is for discovery to start it again.
    expect(await watch.ended).toMatchObject({ code: 'discovery_failed' });
    etcd.wipe();
    await etcd.up();
    await vi.waitFor(async () => expect(await source.lookUp(forever)).toEqual({ endpoints: ['10.0.0.1:7946'] }), soon);
    await source.close?.();
  });

  test('a history compacted away under a watch leads to a new listing, and nothing is missed', async () => {
    await using etcd = await EtcdServer.start();
    // Stands between source and etcd and compacts the history right before the first watch begins.
    let watches = 0;
    await using between = await ScriptedServer.start(async ({ path, body }, response) => {
      if (path.endsWith('/watch') && ++watches === 1) {
        for (const id of ['n1', 'n2', 'n3']) await etcd.ask('kv/put', { key: base64(`/engram/nodes/${id}`), value: base64(`10.0.0.${id[1]}:7946`) });
        const { header } = await etcd.ask('kv/range', { key: base64('none') });
        await etcd.ask('kv/compaction', { revision: (header as { revision: string }).revision, physical: true });
      }
      const upstream = new AbortController();
      response.on('close', () => upstream.abort());
      const answer = await fetch(`http://${etcd.address}${path}`, { method: 'POST', body, signal: upstream.signal });
      response.writeHead(answer.status);
      try {
        for await (const part of answer.body ?? []) response.write(part);
      } catch {
        // Closed by the source.
      }
      response.end();
    });
    await using watch = following(etcdSource({ endpoints: [between.address] }));
    await vi.waitFor(() => expect(watch.last()).toEqual(['10.0.0.1:7946', '10.0.0.2:7946', '10.0.0.3:7946']), soon);
    expect(watch.told[0]?.endpoints).toEqual([]);
    await etcd.ask('kv/deleterange', { key: base64('/engram/nodes/n2') });
    await vi.waitFor(() => expect(watch.last()).toEqual(['10.0.0.1:7946', '10.0.0.3:7946']), soon);
    // A watch of its own for each change, a new listing before each, and the first one from before the compaction.
    expect(watches).toBeGreaterThanOrEqual(2);
  });

  test('of two thousand keys 1,024 are read, with a note', async () => {
    await using etcd = await EtcdServer.start();
    for (let from = 0; from < 2_000; from += 100) {
      const success = Array.from({ length: 100 }, (_, i) => ({ request_put: { key: base64(`/engram/nodes/${from + i}`), value: base64(`10.0.${(from + i) >> 8}.${(from + i) & 255}:7946`) } }));
      await etcd.ask('kv/txn', { success });
    }
    const answer = await etcdSource({ endpoints: [etcd.address] }).lookUp(forever);
    expect(answer.endpoints).toHaveLength(1_024);
    expect(answer.notes).toEqual(['2000 keys, of which the first 1024 were read']);
  });

  test('the next member is asked where the first is gone', async () => {
    await using etcd = await EtcdServer.start();
    await etcd.ask('kv/put', { key: base64('/engram/nodes/n1'), value: base64('10.0.0.1:7946') });
    const source = etcdSource({ endpoints: [`127.0.0.1:${await closedPort()}`, etcd.address] });
    expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946']);
  });

  test('a registration whose answer was lost is taken back all the same', async () => {
    await using etcd = await EtcdServer.start();
    // Passes everything on, but breaks off the answer to the write of the key.
    await using between = await ScriptedServer.start(async ({ path, body }, response) => {
      const answer = await (await fetch(`http://${etcd.address}${path}`, { method: 'POST', body })).text();
      if (path.endsWith('/put')) response.socket?.destroy();
      else response.end(answer);
    });
    const source = etcdSource({ endpoints: [between.address] });
    await expect(source.register?.(self('n1'), forever)).rejects.toMatchObject({ code: 'discovery_failed' });
    expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946']);
    await source.deregister?.(forever);
    expect((await source.lookUp(forever)).endpoints).toEqual([]);
  });

  test('over TLS the authority must be given, and then all works', async (context) => {
    using certificate = selfSigned();
    if (certificate === undefined) return context.skip('no openssl on this machine');
    await using etcd = await EtcdServer.start(certificate);
    const source = etcdSource({ endpoints: [etcd.address], tls: { ca: certificate.cert } });
    await source.register?.(self('n1'), forever);
    expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946']);
    await source.deregister?.(forever);
    await expect(etcdSource({ endpoints: [`https://${etcd.address}`] }).lookUp(forever)).rejects.toMatchObject({ hint: expect.stringContaining('certificate authority is given') });
    await expect(etcdSource({ endpoints: [etcd.address] }).lookUp(forever)).rejects.toMatchObject({ code: 'discovery_failed' });
  });

  test('where etcd wants client certificates, one is shown', async (context) => {
    using certificate = selfSigned();
    if (certificate === undefined) return context.skip('no openssl on this machine');
    await using etcd = await EtcdServer.start({ ...certificate, clientCaFile: certificate.certFile });
    const { cert, key } = certificate;
    const source = etcdSource({ endpoints: [etcd.address], tls: { ca: cert, cert, key } });
    await source.register?.(self('n1'), forever);
    expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946']);
    await source.deregister?.(forever);
    const error: unknown = await etcdSource({ endpoints: [etcd.address], tls: { ca: cert } }).lookUp(forever).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'discovery_failed', hint: expect.stringContaining('certificate') });
    expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(key.split('\n')[1]);
  });

  describe('with authentication', () => {
    async function withUsers(etcd: EtcdServer): Promise<void> {
      await etcd.ask('auth/user/add', { name: 'root', password: 'r00t-s3cret' });
      await etcd.ask('auth/role/add', { name: 'root' });
      await etcd.ask('auth/user/grant', { user: 'root', role: 'root' });
      await etcd.ask('auth/user/add', { name: 'engram', password: 'engr4m-s3cret' });
      await etcd.ask('auth/role/add', { name: 'nodes' });
      await etcd.ask('auth/role/grant', { name: 'nodes', perm: { permType: 'READWRITE', key: base64('/engram/nodes/'), range_end: base64('/engram/nodes0') } });
      await etcd.ask('auth/user/grant', { user: 'engram', role: 'nodes' });
      await etcd.ask('auth/enable', {});
    }
    const credentials = { username: 'engram', password: 'engr4m-s3cret' };

    test('a user that may write the prefix registers, finds and watches, also with a token from before a restart', async () => {
      await using etcd = await EtcdServer.start();
      await withUsers(etcd);
      const source = etcdSource({ endpoints: [etcd.address], credentials });
      await source.register?.(self('n1'), forever);
      expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946']);
      await etcd.down();
      await etcd.up();
      expect((await source.lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946']);
      await using watch = following(source);
      await vi.waitFor(() => expect(watch.last()).toEqual(['10.0.0.1:7946']), soon);
      await source.deregister?.(forever);
      await vi.waitFor(() => expect(watch.last()).toEqual([]), soon);
    });

    test('each refusal says what is wrong and never the password', async () => {
      await using etcd = await EtcdServer.start();
      await withUsers(etcd);
      const refusal = async (options: EtcdSourceOptions) => {
        const error = await etcdSource({ endpoints: [etcd.address], ...options }).lookUp(forever).then(() => expect.unreachable('was let in'), (reason: Error & { hint: string }) => reason);
        expect(JSON.stringify(error) + String(error.stack)).not.toMatch(/s3cret|wr0ng/);
        return `${error.message} ${error.hint}`;
      };
      expect(await refusal({ credentials: { username: 'engram', password: 'wr0ng' } })).toMatch(/authentication failed.*Check the user name and the password/);
      expect(await refusal({})).toMatch(/user name is empty.*give the source credentials/);
      expect(await refusal({ credentials, prefix: '/other/' })).toMatch(/permission denied.*Grant the user a role/);
    });

    test('credentials are no harm where authentication is off', async () => {
      await using etcd = await EtcdServer.start();
      expect(await etcdSource({ endpoints: [etcd.address], credentials }).lookUp(forever)).toEqual({ endpoints: [] });
    });
  });
});

describe('on a bad day', () => {
  const password = 'p4ss-w0rd-of-etcd';
  testBadDays({
    sourceAt: (port, timeoutMs) => etcdSource({ endpoints: [`127.0.0.1:${port}`], credentials: { username: 'engram', password }, timeoutMs }),
    secret: password,
    refusal: {
      status: 400,
      text: '{"error":"etcdserver: authentication failed, invalid user ID or password","message":"etcdserver: authentication failed, invalid user ID or password","code":3}',
      hint: /Check the user name and the password/,
    },
  });

  test('when no member answers, each is named with its reason', async () => {
    const [one, two] = [await closedPort(), await closedPort()];
    await expect(etcdSource({ endpoints: [`127.0.0.1:${one}`, `127.0.0.1:${two}`] }).lookUp(forever)).rejects.toThrow(
      new RegExp(`none of 2 members answered; .*127.0.0.1:${one}.*refused; .*127.0.0.1:${two}.*refused`),
    );
  });

  test('a watch that the server ends says why', async () => {
    await using server = await ScriptedServer.start(({ path }, response) =>
      void response.end(path.endsWith('/range') ? '{"header":{"revision":"7"}}' : '{"result":{"created":true}}\n{"result":{"canceled":true,"cancel_reason":"no leader"}}\n'),
    );
    await expect(etcdSource({ endpoints: [server.address] }).watch?.(() => undefined, forever)).rejects.toThrow('ended by the server: no leader');
  });
});

describe('options', () => {
  test('that cannot work are refused by name', () => {
    expect(() => etcdSource({ endpoints: [] })).toThrow(OptionsError);
    expect(() => etcdSource({ endpoints: '127.0.0.1:2379' as unknown as string[] })).toThrow(/^option endpoints/);
    expect(() => etcdSource({ prefix: 5 as unknown as string })).toThrow(/^option prefix/);
    expect(() => etcdSource({ prefix: '' })).toThrow(OptionsError);
    expect(() => etcdSource({ leaseTtlMs: 10 })).toThrow(OptionsError);
    expect(() => etcdSource({ endpoints: ['https://root:pw@etcd:2379'] })).toThrow(/must not carry a user or a password/);
  });
});
