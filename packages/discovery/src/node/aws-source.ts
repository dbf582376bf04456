import { Transform, pipeline, type Readable } from 'node:stream';
import { EngramError, OptionsError } from '@engram/kernel';
import { defaultPort } from '../core/endpoint.js';
import type { DiscoverySource, SourceAnswer, SourceCallOptions } from '../source.js';
import { apiAddress } from './api-address.js';
import { collectReservations, isRegion, nextToken } from './aws-answer.js';
import { regionOfInstance } from './aws-region.js';
import { answerBytesMax, withoutSecrets } from './bounded-http.js';
import { CollectedEndpoints } from './collected-endpoints.js';
import { loadOptionalPeer, type ImportModule } from './optional-peer.js';
import { checkWhole, type SourceTiming } from './source-options.js';

export interface AwsSourceOptions extends SourceTiming {
  /** Instances that carry this tag … */
  readonly tagKey: string;
  /** … with this value. */
  readonly tagValue: string;
  /** @default AWS_REGION, AWS_DEFAULT_REGION, the profile of the SDK, or that of this instance */
  readonly region?: string;
  /** Port of SWIM. @default 7946 */
  readonly port?: number;
  /** Private addresses rather than public ones. @default true */
  readonly privateIp?: boolean;
  /** Another address of the EC2 API, such as a VPC endpoint. @default that of the region */
  readonly endpoint?: string;
  /** EC2 limits how often it is asked, over all that one account runs. @default 60_000 */
  readonly refreshMs?: number;
  /** For one look-up, in milliseconds. @default 10_000 */
  readonly timeoutMs?: number;
  /** Loads the SDK; for those who bundle it. @default import */
  readonly load?: ImportModule;
}

/** Instances of one page, which is as many as EC2 gives, and pages of one look-up. */
const pageInstances = 1_000;
const pagesMax = 10;

/**
 * Finds peers as EC2 instances that carry a tag, running or pending. Needs the package @aws-sdk/client-ec2, whose normal
 * chain finds the credentials: environment, profile, container, instance. They need `ec2:DescribeInstances`.
 *
 * Source: Amazon EC2 API reference, `DescribeInstances`.
 */
export function awsSource(options: AwsSourceOptions): DiscoverySource {
  return new AwsSource(options);
}

/** The part of @aws-sdk/client-ec2 that is used. */
interface Sdk {
  readonly EC2Client: new (configuration: object) => Client;
  readonly DescribeInstancesCommand: new (input: object) => object;
}

interface Client {
  readonly config: { region(): Promise<string>; credentials(): Promise<{ readonly secretAccessKey?: string; readonly sessionToken?: string }> };
  readonly middlewareStack: { add(middleware: (next: Handler) => Handler, options: object): void };
  send(command: object, options: { readonly abortSignal: AbortSignal }): Promise<unknown>;
  destroy(): void;
}

type Handler = (given: object) => Promise<{ response: { body?: unknown } }>;

class AwsSource implements DiscoverySource {
  readonly name: string;
  readonly refreshMs: number;
  readonly timeoutMs: number;
  readonly #options: AwsSourceOptions;
  readonly #port: number;
  /** Kept, because it keeps the credentials and knows when to renew them. */
  #client: { readonly sdk: Sdk; readonly client: Client; readonly region: string } | undefined;

  constructor(options: AwsSourceOptions) {
    this.#options = options;
    this.#port = options.port ?? defaultPort;
    this.name = options.name ?? 'aws';
    this.refreshMs = options.refreshMs ?? 60_000;
    this.timeoutMs = options.timeoutMs ?? 10_000;
    checkWhole('timeoutMs', this.timeoutMs, 10, 600_000);
    if (typeof options.tagKey !== 'string' || options.tagKey === '' || options.tagKey.length > 128) throw new OptionsError('tagKey', 'must be the key of a tag, of 1 to 128 characters');
    if (typeof options.tagValue !== 'string' || options.tagValue.length > 256) throw new OptionsError('tagValue', 'must be the value of a tag, of at most 256 characters');
    if (options.region !== undefined && !isRegion(options.region)) throw new OptionsError('region', 'must be like "eu-central-1"');
    checkWhole('port', this.#port, 1, 65_535);
    if (options.endpoint !== undefined) apiAddress('endpoint', options.endpoint, { scheme: 'https', port: 443 });
  }

  async lookUp({ signal }: SourceCallOptions): Promise<SourceAnswer> {
    const limit = AbortSignal.timeout(this.timeoutMs);
    const both = AbortSignal.any([signal, limit]);
    const late = (): EngramError => this.#failure(limit.aborted && !signal.aborted ? `was not answered within ${this.timeoutMs} ms` : 'was given up before it was answered', 'Check that the EC2 API and the source of the credentials can be reached from here.');
    return await unlessAborted(this.#describe(both), both, late);
  }

  async close(): Promise<void> {
    this.#client?.client.destroy();
    this.#client = undefined;
  }

  async #describe(signal: AbortSignal): Promise<SourceAnswer> {
    const { sdk, client, region } = (this.#client ??= await this.#connect(signal));
    const { tagKey, tagValue, privateIp = true } = this.#options;
    const found = new CollectedEndpoints();
    const filters = [
      { Name: `tag:${tagKey}`, Values: [literally(tagValue)] },
      { Name: 'instance-state-name', Values: ['pending', 'running'] },
    ];
    let next: string | undefined;
    for (let pages = 0; pages < pagesMax; pages++) {
      const command = new sdk.DescribeInstancesCommand({ Filters: filters, MaxResults: pageInstances, ...(next === undefined ? {} : { NextToken: next }) });
      const page = await client.send(command, { abortSignal: signal }).catch(async (error: unknown) => {
        throw await this.#refused(client, region, error);
      });
      collectReservations(found, page, { port: this.#port, privateIp });
      next = nextToken(page);
      if (next === undefined) return found.answer();
    }
    return found.answer([`more than ${pagesMax} pages of instances, of which the first ${pagesMax} were read`]);
  }

  async #connect(signal: AbortSignal): Promise<{ sdk: Sdk; client: Client; region: string }> {
    const sdk = await loadOptionalPeer<Sdk>(this.name, '@aws-sdk/client-ec2', this.#options.load);
    const given = this.#options.region ?? process.env['AWS_REGION'] ?? process.env['AWS_DEFAULT_REGION'];
    const client = this.#clientOf(sdk, given);
    try {
      return { sdk, client, region: await client.config.region() };
    } catch {
      // No profile names a region either.
      client.destroy();
      const region = await regionOfInstance(this.name, process.env, signal);
      return { sdk, client: this.#clientOf(sdk, region), region };
    }
  }

  #clientOf(sdk: Sdk, region: string | undefined): Client {
    const { endpoint } = this.#options;
    const client = new sdk.EC2Client({
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint: apiAddress('endpoint', endpoint, { scheme: 'https', port: 443 }).href }),
      // One repetition for a hiccup; the rest is the back-off of discovery.
      maxAttempts: 2,
    });
    client.middlewareStack.add(bounded, { step: 'deserialize', priority: 'low', name: 'engramBoundedAnswer' });
    return client;
  }

  /** The SDK's errors hold the request with its headers, so nothing but name and text is taken over. */
  async #refused(client: Client, region: string, error: unknown): Promise<EngramError> {
    if (error instanceof EngramError) return error;
    const { name = 'Error', message = '' } = error as Partial<Error>;
    const { secretAccessKey = '', sessionToken = '' } = await client.config.credentials().catch(() => ({ secretAccessKey: '', sessionToken: '' }));
    const text = withoutSecrets(message, [secretAccessKey, sessionToken]).slice(0, 300);
    return this.#failure(`in ${region} failed: ${name}${text === '' ? '' : `: ${text}`}`, hintFor(name));
  }

  #failure(outcome: string, hint: string | undefined): EngramError {
    const message = `${this.name}: DescribeInstances ${outcome}`;
    return new EngramError('discovery_failed', message, { ...(hint === undefined ? {} : { hint }), details: { source: this.name } });
  }
}

function hintFor(name: string): string | undefined {
  switch (name) {
    case 'CredentialsProviderError':
      return 'Give the process credentials the way the AWS SDK looks for them: environment, profile, or a role of the instance, pod or task.';
    case 'UnauthorizedOperation':
      return 'Allow ec2:DescribeInstances in the policy of the role or user.';
    case 'AuthFailure':
    case 'ExpiredToken':
    case 'RequestExpired':
    case 'InvalidClientTokenId':
    case 'SignatureDoesNotMatch':
      return 'Check that the credentials are right and not expired, and that the clock of this machine is right.';
    case 'RequestLimitExceeded':
      return 'EC2 is asked too often from this account; raise refreshMs.';
    default:
      return undefined;
  }
}

/** In a filter of EC2, `*` and `?` stand for anything; a backslash takes that away. */
function literally(value: string): string {
  return value.replace(/[\\*?]/g, '\\$&');
}

/** Cuts an answer off that is too large to be one, before the SDK reads all of it into memory. */
function bounded(next: Handler): Handler {
  return async (given) => {
    const result = await next(given);
    const body = result.response.body as Readable | undefined;
    if (typeof body?.pipe === 'function') result.response.body = pipeline(body, cutOff(), () => undefined);
    return result;
  };
}

function cutOff(): Transform {
  let bytes = 0;
  return new Transform({
    transform(part: Buffer, _, done) {
      bytes += part.length;
      if (bytes > answerBytesMax) done(new Error(`more than ${answerBytesMax} bytes in one answer`));
      else done(null, part);
    },
  });
}

/** The SDK looks for credentials in places that no signal reaches, so the wait for it ends on its own. */
async function unlessAborted<Result>(work: Promise<Result>, signal: AbortSignal, late: () => Error): Promise<Result> {
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(late());
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
  });
  // Whichever loses is not waited for, and must not count as unhandled.
  work.catch(() => undefined);
  aborted.catch(() => undefined);
  try {
    return await Promise.race([aborted, work]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
