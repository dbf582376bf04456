import { describe, expect, test } from 'vitest';
import { run } from './fake-cli.js';

const commands = ['start', 'status', 'store', 'recall', 'list', 'forget', 'spaces', 'members', 'cluster', 'import', 'export', 'config', 'wal-salvage'];

describe('help', () => {
  test('names every command and the exit codes', async () => {
    const { code, out, err } = await run(['--help']);
    expect(code).toBe(0);
    expect(err).toBe('');
    expect([...out.matchAll(/^ {2}([a-z-]+)(?: \[options\]| +\S)/gm)].map(([, name]) => name)).toEqual([...commands, 'help']);
    expect(out).toContain('Exit codes: 0 done, 1 failed, 2 called wrongly');
  });

  test.each(commands)('of %s reads as it did', async (command) => {
    const { code, out } = await run([command, '--help']);
    expect(code).toBe(0);
    expect(out).toMatchSnapshot();
  });

});

test('the version is the package’s', async () => {
  expect(await run(['--version'])).toMatchObject({ code: 0, out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) as string });
});

describe('a mistake in calling', () => {
  test.each([[[]], [['config']]])('such as %j without a command prints the help and exits 2', async (argv) => {
    const { code, out, err } = await run(argv);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(/^Usage: engram/);
  });

  test.each<[string, string[], string]>([
    ['an unknown command', ['frobnicate'], "error: unknown command 'frobnicate'\n"],
    ['a command with a slip', ['stauts'], "error: unknown command 'stauts'\n(Did you mean status?)\n"],
    ['an unknown option', ['store', 'x', '--tga', 'y'], "error: unknown option '--tga'\n(Did you mean --tag?)\n"],
    ['a missing argument', ['store'], "error: missing required argument 'content'\n"],
    ['a confidence beyond 1', ['store', 'x', '--confidence', '2'], "error: option '--confidence <fraction>' argument '2' is invalid. Write a number from 0 to 1.\n"],
    ['a limit that is no number', ['recall', 'x', '--limit', 'all'], "error: option '-n, --limit <count>' argument 'all' is invalid. Write a whole number.\n"],
    ['a timeout that is no duration', ['status', '--timeout', 'soon'], "error: option '--timeout <duration>' argument 'soon' is invalid. Write a duration like 500ms, 30s or 2m.\n"],
    ['metadata that is not JSON', ['store', 'x', '--metadata', '{a}'], 'error: --metadata is not JSON: '],
    ['metadata that is no object', ['store', 'x', '--metadata', '[]'], 'error: --metadata must be a JSON object\n'],
    ['a command of the cluster', ['drain'], "error: unknown command 'drain'\nhint: it is a command of the cluster: `engram cluster drain`.\n"],
    ['a command that is still to come', ['backup'], "error: 'backup' is not available yet\n"],
    ['a directory to import', ['import', '/'], 'error: / is a directory, not a file\n'],
  ])('such as %s exits 2 with a message and a hint', async (_what, argv, message) => {
    const { code, out, err } = await run(argv);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err.startsWith(message), err).toBe(true);
    expect(err).toMatch(/\nhint: \S/);
    expect(err).not.toMatch(/ {4}at /);
  });

  test('in the URL exits 1 with a message and a hint', async () => {
    expect(await run(['status', '--url', 'ftp://x'])).toEqual({ code: 1, out: '', err: 'error: "ftp://x" is not the URL of a node\nhint: Write it like http://127.0.0.1:7432, in --url or ENGRAM_URL.\n' });
  });

  test('a file that does not exist exits 1 without a stack', async () => {
    expect(await run(['import', '/nowhere/x.jsonl'])).toEqual({ code: 1, out: '', err: 'error: /nowhere/x.jsonl does not exist\n' });
  });
});

describe('config', () => {
  test('check prints values, where they come from, and that all is well', async () => {
    const { code, out } = await run(['config', 'check'], { env: { ENGRAM_LOG_LEVEL: 'warn', ENGRAM_CLUSTER_DISCOVERY_CONSUL_TOKEN: 'hunter2' } });
    expect(code).toBe(0);
    expect(out).toMatch(/log\.level +│ "warn" +│ ENGRAM_LOG_LEVEL/);
    expect(out).toMatch(/wal\.segment_bytes +│ "64MiB" +│ default/);
    expect(out).toMatch(/cluster\.discovery\.consul\.token +│ \(secret\)/);
    expect(out).toContain('warning: cluster.discovery.consul.token has no effect while cluster.enabled is false.  (ENGRAM_CLUSTER_DISCOVERY_CONSUL_TOKEN)');
    expect(out).not.toContain('hunter2');
    expect(out.endsWith('The configuration is good, with a warning.\n')).toBe(true);
  });

  test('check prints the same for scripts', async () => {
    const { code, out } = await run(['config', 'check', '--json'], { env: { ENGRAM_NODE_ID: 'a', ENGRAM_CLUSTER_SWIM_KEYS: `${'A'.repeat(43)}=` } });
    const { ok, values } = JSON.parse(out) as { ok: boolean; values: Record<string, unknown> };
    expect([code, ok]).toEqual([0, true]);
    expect(values['node.id']).toEqual({ value: 'a', source: 'ENGRAM_NODE_ID' });
    expect(values['cluster.advertise']).toEqual({ source: 'default' });
    expect(values['cluster.swim.keys']).toEqual({ value: '(secret)', source: 'ENGRAM_CLUSTER_SWIM_KEYS' });
  });

  test('check says in both forms what is odd, with its place, and exits 0 all the same', async () => {
    const odd = { env: { ENGRAM_CLUSTER_ENABLED: 'true', ENGRAM_CLUSTER_BOOTSTRAP_EXPECT: '4' } };
    const forPeople = await run(['config', 'check'], odd);
    expect([forPeople.code, forPeople.err]).toEqual([0, '']);
    expect(forPeople.out).toMatch(/^warning: cluster\.bootstrap_expect is even, .*Use 3 or 5\. {2}\(ENGRAM_CLUSTER_BOOTSTRAP_EXPECT\)$/m);
    expect(forPeople.out.endsWith('The configuration is good, with a warning.\n')).toBe(true);
    const forScripts = await run(['config', 'check', '--json'], odd);
    expect(forScripts.code).toBe(0);
    expect(JSON.parse(forScripts.out)).toMatchObject({ ok: true, warnings: [{ key: 'cluster.bootstrap_expect', source: 'ENGRAM_CLUSTER_BOOTSTRAP_EXPECT' }] });
  });

  test('check says what its exit codes mean, and exits 2 when it is called wrongly', async () => {
    expect((await run(['config', 'check', '--help'])).out).toContain('Exit codes: 0 a start would go through, with warnings or without; 1 it would be refused; 2 called wrongly.');
    expect((await run(['config', 'check', '--colour'])).code).toBe(2);
  });

  test('check exits 1 and says everything that is wrong', async () => {
    const wrong = { env: { ENGRAM_LOG_LEVEL: 'loud', ENGRAM_CLUSTER_ENABLED: 'maybe' } };
    const forPeople = await run(['config', 'check'], wrong);
    expect(forPeople.code).toBe(1);
    expect(forPeople.err).toContain('log.level = "loud"  (ENGRAM_LOG_LEVEL)');
    expect(forPeople.err).toContain('cluster.enabled = "maybe"  (ENGRAM_CLUSTER_ENABLED)');
    const forScripts = await run(['config', 'check', '--json'], wrong);
    expect(forScripts.code).toBe(1);
    expect(JSON.parse(forScripts.out)).toMatchObject({ ok: false, problems: [{ key: 'log.level' }, { key: 'cluster.enabled' }] });
  });

  test('reference prints the documentation', async () => {
    expect((await run(['config', 'reference'])).out).toMatch(/^# Configuration\n/);
  });
});

describe('start refuses', () => {
  test('flags of a cluster that contradict each other, with the reason', async () => {
    const { code, err } = await run(['start', '--cluster-mode', 'single', '--seed', 'a:1', '--swim-port', 'x']);
    expect(code).toBe(1);
    expect(err).toContain('contradicts --seed');
    expect(err).toContain('cluster.swim.bind = "x"  (--swim-port)');
  });

  test('a wrong configuration before anything is opened', async () => {
    const { code, err } = await run(['start', '--http-port', '50051']);
    expect(code).toBe(1);
    expect(err).toContain('takes the same port as server.http_bind (127.0.0.1:50051)');
  });
});
