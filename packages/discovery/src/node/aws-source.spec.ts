import { OptionsError, type EngramError } from '@engram/kernel';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { describeInstances, errorAnswer, instance } from '../../test/aws-fixtures.js';
import { closedPort, forever, ScriptedServer, sendHalf, sendWithoutEnd, type Script } from '../../test/scripted-server.js';
import { awsSource, type AwsSourceOptions } from './aws-source.js';

// No AWS is reached here: a scripted server plays the documented answers to the real SDK.

const secrets = ['s3cret/access+key', 's3ssion-t0ken'] as const;

beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIDEXAMPLE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secrets[0]);
  vi.stubEnv('AWS_SESSION_TOKEN', secrets[1]);
  for (const name of ['AWS_REGION', 'AWS_DEFAULT_REGION', 'AWS_PROFILE']) vi.stubEnv(name, undefined);
  for (const name of ['AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE']) vi.stubEnv(name, '/nonexistent');
  vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
});
afterEach(() => vi.unstubAllEnvs());

const sourceAt = (endpoint: string, more: Partial<AwsSourceOptions> = {}) => awsSource({ tagKey: 'EngramCluster', tagValue: 'production', region: 'eu-west-1', endpoint, ...more });
const serving = (...pages: readonly string[]) => ScriptedServer.start((_, response, count) => void response.writeHead(200, { 'content-type': 'text/xml' }).end(pages[count - 1]));

describe('a look-up', () => {
  test('asks for running and pending instances by tag, signed, and takes their private addresses', async () => {
    await using server = await serving(describeInstances([instance({ privateIp: '192.168.1.88', publicIp: '54.194.252.215' }), instance({ state: 'pending', privateIp: '192.168.1.89' })]));
    expect(await sourceAt(server.url).lookUp(forever)).toEqual({ endpoints: ['192.168.1.88:7946', '192.168.1.89:7946'] });
    const [asked] = server.asked;
    const sent = Object.fromEntries(new URLSearchParams(asked?.body));
    expect(sent).toMatchObject({
      Action: 'DescribeInstances',
      'Filter.1.Name': 'tag:EngramCluster',
      'Filter.1.Value.1': 'production',
      'Filter.2.Name': 'instance-state-name',
      'Filter.2.Value.1': 'pending',
      'Filter.2.Value.2': 'running',
      MaxResults: '1000',
    });
    expect(asked?.headers.authorization).toMatch(/^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/eu-west-1\/ec2/);
  });

  test('takes public addresses where asked to, and IPv6 where there is nothing else', async () => {
    await using server = await serving(describeInstances([instance({ privateIp: '192.168.1.88', publicIp: '54.194.252.215' }), instance({ ipv6: 'fd00::7' }), instance({ privateIp: '192.168.1.90' })]));
    expect(await sourceAt(server.url, { privateIp: false, port: 7000 }).lookUp(forever)).toEqual({ endpoints: ['54.194.252.215:7000', '[fd00::7]:7000'], notes: ['1 entry left out, without a public address'] });
  });

  test('leaves out what is neither running nor pending, whatever the filter said', async () => {
    await using server = await serving(describeInstances([instance({ state: 'shutting-down', privateIp: '192.168.1.88' }), instance({ privateIp: '192.168.1.89' })]));
    expect(await sourceAt(server.url).lookUp(forever)).toEqual({ endpoints: ['192.168.1.89:7946'], notes: ['1 entry left out, neither running nor pending'] });
  });

  test('takes a star in a tag for a star', async () => {
    await using server = await serving(describeInstances([]));
    await sourceAt(server.url, { tagValue: 'a*b?' }).lookUp(forever);
    expect(new URLSearchParams(server.asked[0]?.body).get('Filter.1.Value.1')).toBe('a\\*b\\?');
  });

  test('reads page after page, also where one is empty', async () => {
    await using server = await serving(describeInstances([instance({ privateIp: '10.0.0.1' })], 'two'), describeInstances([], 'three'), describeInstances([instance({ privateIp: '10.0.0.2' })]));
    expect((await sourceAt(server.url).lookUp(forever)).endpoints).toEqual(['10.0.0.1:7946', '10.0.0.2:7946']);
    expect(server.asked.map(({ body }) => new URLSearchParams(body).get('NextToken'))).toEqual([null, 'two', 'three']);
  });

  test('of pages without end reads ten, of which 1,024 endpoints count, with notes', async () => {
    const page = (at: number) => describeInstances(Array.from({ length: 1_000 }, (_, i) => instance({ privateIp: `10.${at}.${i >> 8}.${i & 255}` })), `page-${at}`);
    await using server = await ScriptedServer.start((_, response, count) => void response.end(page(count)));
    const answer = await sourceAt(server.url, { timeoutMs: 60_000 }).lookUp(forever);
    expect(answer.endpoints).toHaveLength(1_024);
    expect(answer.notes).toEqual(['more than 10 pages of instances, of which the first 10 were read', '8976 endpoints left out, beyond the limit of 1024']);
    expect(server.asked).toHaveLength(10);
  }, 60_000);
});

describe('on a bad day', () => {
  const failureOf = async (script: Script, more: Partial<AwsSourceOptions> = {}): Promise<EngramError> => {
    await using server = await ScriptedServer.start(script);
    return await failureAt(server.url, more);
  };
  const failureAt = async (url: string, more: Partial<AwsSourceOptions> = {}): Promise<EngramError> => {
    const error: unknown = await sourceAt(url, more).lookUp(forever).then((answer) => expect.unreachable(JSON.stringify(answer)), (reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'discovery_failed', message: expect.stringMatching(/^aws: /) });
    expect(error).not.toHaveProperty('cause');
    for (const secret of secrets) expect(JSON.stringify(error) + String((error as Error).stack)).not.toContain(secret);
    return error as EngramError;
  };

  test('a server error is told, with the region', async () => {
    const failure = await failureOf((_, response) => void response.writeHead(500).end(errorAnswer('InternalError', 'An internal error has occurred')));
    expect(failure.message).toBe('aws: DescribeInstances in eu-west-1 failed: InternalError: An internal error has occurred');
  });

  test('missing rights and expired credentials are told with what to do', async () => {
    const refusedWith = (code: string, status: number) => failureOf((_, response) => void response.writeHead(status).end(errorAnswer(code, 'No.')));
    expect((await refusedWith('UnauthorizedOperation', 403)).hint).toContain('ec2:DescribeInstances');
    expect((await refusedWith('RequestExpired', 400)).hint).toContain('not expired');
    expect((await refusedWith('AuthFailure', 401)).hint).toContain('credentials are right');
    expect((await refusedWith('RequestLimitExceeded', 503)).hint).toContain('refreshMs');
  });

  test('a server that hangs is given up', async () => {
    expect((await failureOf(() => undefined, { timeoutMs: 200 })).message).toContain('was not answered within 200 ms');
  });

  test('half an answer is not taken for an answer', async () => {
    await failureOf((_, response) => sendHalf(response, describeInstances([instance({ privateIp: '10.0.0.1' })])));
  });

  test('an answer that is no XML is told', async () => {
    await failureOf((_, response) => void response.end('<html>Welcome to nginx!'));
    await failureOf((_, response) => void response.writeHead(403).end('{"message": "Forbidden"}'));
  });

  test('an answer without end is cut off', async () => {
    expect((await failureOf((_, response) => sendWithoutEnd(response))).message).toContain('more than 8388608 bytes');
  });

  test('a port that nobody listens on is told', async () => {
    expect((await failureAt(`http://127.0.0.1:${await closedPort()}`)).message).toContain('ECONNREFUSED');
  });

  test('a server that repeats what it was sent does not bring a secret into a message', async () => {
    const failure = await failureOf((asked, response) => void response.writeHead(400).end(errorAnswer('Odd', `token ${String(asked.headers['x-amz-security-token'])} refused`)));
    expect(failure.message).toContain('token *** refused');
  });

  test('an aborted look-up ends at once', async () => {
    const aborter = new AbortController();
    await using server = await ScriptedServer.start(() => aborter.abort());
    await expect(sourceAt(server.url, { timeoutMs: 60_000 }).lookUp({ signal: aborter.signal })).rejects.toThrow('was given up before it was answered');
  });

  test('where there are no credentials the message says where they are looked for', async () => {
    for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN']) vi.stubEnv(name, undefined);
    expect((await failureAt(`http://127.0.0.1:${await closedPort()}`)).hint).toContain('environment, profile, or a role');
  });

  test('an SDK that is not installed is told with the command that installs it', async () => {
    const load = () => Promise.reject(Object.assign(new Error("Cannot find package '@aws-sdk/client-ec2' imported from x"), { code: 'ERR_MODULE_NOT_FOUND' }));
    expect((await failureAt('http://127.0.0.1:1', { load })).hint).toBe('Run: npm install @aws-sdk/client-ec2@^3.900.0');
  });
});

describe('the region', () => {
  const answered = describeInstances([instance({ privateIp: '10.0.0.1' })]);
  const regionSigned = async (server: ScriptedServer): Promise<string | undefined> => {
    await awsSource({ tagKey: 'k', tagValue: 'v', endpoint: server.url }).lookUp(forever);
    return /Credential=[^/]+\/\d+\/([^/]+)\//.exec(String(server.asked.at(-1)?.headers.authorization))?.[1];
  };

  test('comes from the environment, under either name', async () => {
    await using server = await serving(answered, answered);
    vi.stubEnv('AWS_DEFAULT_REGION', 'us-east-2');
    expect(await regionSigned(server)).toBe('us-east-2');
    vi.stubEnv('AWS_REGION', 'us-gov-west-1');
    expect(await regionSigned(server)).toBe('us-gov-west-1');
  });

  test('comes from the metadata service of the instance where nothing else names it', async () => {
    await using server = await ScriptedServer.start(({ method, path, headers }, response) => {
      if (method === 'PUT' && path === '/latest/api/token') return void response.end('metadata-token');
      if (path === '/latest/meta-data/placement/region') return void response.end(headers['x-aws-ec2-metadata-token'] === 'metadata-token' ? 'ap-south-1' : '');
      response.end(answered);
    });
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined);
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', server.url);
    expect(await regionSigned(server)).toBe('ap-south-1');
  });

  test('that nobody knows is told with the ways to name it', async () => {
    const reason = async () => await awsSource({ tagKey: 'k', tagValue: 'v' }).lookUp(forever).catch((error: EngramError) => `${error.message} ${error.hint}`);
    expect(await reason()).toMatch(/region is not known; .*AWS_EC2_METADATA_DISABLED.*set AWS_REGION/);
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', undefined);
    await using server = await ScriptedServer.start((_, response) => void response.end('evil.example/#'));
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', server.url);
    expect(await reason()).toContain('named a region that is none: "evil.example/#"');
    vi.stubEnv('AWS_EC2_METADATA_SERVICE_ENDPOINT', `http://127.0.0.1:${await closedPort()}`);
    expect(await reason()).toMatch(/region is not known; .*connection was refused/);
  });
});

describe('options', () => {
  test('that cannot work are refused by name', () => {
    expect(() => awsSource({ tagKey: '', tagValue: 'v' })).toThrow(/^option tagKey/);
    expect(() => awsSource({ tagValue: 'v' } as { tagKey: string; tagValue: string })).toThrow(/^option tagKey/);
    expect(() => awsSource({ tagKey: 'k' } as { tagKey: string; tagValue: string })).toThrow(/^option tagValue/);
    expect(() => awsSource({ tagKey: 'k', tagValue: 'v', region: 'moon' })).toThrow(OptionsError);
    expect(() => awsSource({ tagKey: 'k', tagValue: 'v', port: 0 })).toThrow(/^option port/);
    expect(() => awsSource({ tagKey: 'k', tagValue: 'v', endpoint: 'https://a:b@ec2' })).toThrow(/^option endpoint/);
  });
});
