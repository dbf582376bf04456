import { EngramError } from '@engram/kernel';
import { below } from './api-address.js';
import { callHttp, failed, openLines, parseJson, refused, textOf, type HttpCall, type TlsOptions } from './bounded-http.js';
import { refusalOf, tokenIn } from './etcd-answer.js';

/** A user of etcd. */
export interface EtcdCredentials {
  readonly username: string;
  /** Never printed. */
  readonly password: string;
}

export interface EtcdClientOptions {
  readonly source: string;
  readonly endpoints: readonly URL[];
  readonly credentials?: EtcdCredentials;
  readonly tls?: TlsOptions;
  /** For one call to one member, in milliseconds. */
  readonly timeoutMs: number;
}

/** What etcd says when it wants a token and got none, an old one, or one from before a restart. */
const staleToken = /invalid auth token|revision of auth store is old/;
const tokenMissing = /user name is empty|user name not found/;

/**
 * The few calls that discovery needs of etcd, over its JSON gateway (`/v3/…`, since etcd 3.4). Members are tried in
 * turn, starting with the one that answered last; a token is fetched when etcd asks for one and again when it expired.
 */
export class EtcdClient {
  readonly #options: EtcdClientOptions;
  #preferred = 0;
  #token: string | undefined;

  constructor(options: EtcdClientOptions) {
    this.#options = options;
  }

  /**
   * Calls `path` with `body` on the first member that answers, and reads the answer; `read` returns undefined when it is
   * not the `noun` that was asked for. Rejects with `discovery_failed`.
   */
  call<Result>(path: string, body: object, signal: AbortSignal, noun: string, read: (answer: unknown) => Result | undefined): Promise<Result> {
    return this.#onSomeMember(async (member) => {
      const call = await this.#prepared(member, path, body, signal, this.#options.timeoutMs);
      const { status, text } = await callHttp(call);
      if (status !== 200) throw this.#refused(call, status, text);
      return this.#readAs(call, noun, read(parseJson(call, text)));
    }, signal);
  }

  /** Opens a stream and yields its messages until it ends. */
  async *stream<Message>(path: string, body: object, signal: AbortSignal, silenceMsMax: number, read: (line: unknown) => Message | undefined): AsyncGenerator<Message, void> {
    const { call, lines } = await this.#onSomeMember(async (member) => {
      const call = await this.#prepared(member, path, body, signal, silenceMsMax);
      const { status, lines } = await openLines(call);
      if (status !== 200) throw this.#refused(call, status, await textOf(call, lines));
      return { call, lines };
    }, signal);
    for await (const line of lines) yield this.#readAs(call, 'message of a watch', read(parseJson(call, line)));
  }

  /** Whether the refusal means that the token is no longer good; if so it is dropped, and the next call fetches one. */
  tokenExpired(reason: string): boolean {
    if (this.#options.credentials === undefined || !staleToken.test(reason)) return false;
    this.#token = undefined;
    return true;
  }

  async #onSomeMember<Result>(attempt: (member: URL) => Promise<Result>, signal: AbortSignal): Promise<Result> {
    const { endpoints } = this.#options;
    const failures: EngramError[] = [];
    for (let i = 0; i < endpoints.length; i++) {
      const at = (this.#preferred + i) % endpoints.length;
      try {
        const result = await this.#withFreshToken(endpoints[at] as URL, attempt);
        this.#preferred = at;
        return result;
      } catch (error) {
        // What one member refuses for good the others refuse, too.
        if (!(error instanceof EngramError) || signal.aborted || isFinal(error)) throw error;
        failures.push(error);
      }
    }
    throw together(this.#options.source, failures);
  }

  /** A simple token of etcd lives for minutes and dies with the member, so one refusal is met with a new token. */
  async #withFreshToken<Result>(member: URL, attempt: (member: URL) => Promise<Result>): Promise<Result> {
    try {
      return await attempt(member);
    } catch (error) {
      if (!(error instanceof EngramError) || !this.tokenExpired(error.message)) throw error;
      return await attempt(member);
    }
  }

  async #prepared(member: URL, path: string, body: object, signal: AbortSignal, silenceMsMax: number): Promise<HttpCall> {
    if (this.#options.credentials !== undefined) this.#token ??= await this.#authenticate(member, this.#options.credentials, signal);
    return this.#to(member, path, body, signal, silenceMsMax);
  }

  async #authenticate(member: URL, { username, password }: EtcdCredentials, signal: AbortSignal): Promise<string | undefined> {
    const call = this.#to(member, 'auth/authenticate', { name: username, password }, signal, this.#options.timeoutMs);
    const { status, text } = await callHttp(call);
    // With authentication switched off there is no token to be had and none is needed.
    if (status !== 200 && /authentication is not enabled/.test(text)) return undefined;
    if (status !== 200) throw this.#refused(call, status, text);
    return this.#readAs(call, 'token', tokenIn(parseJson(call, text)));
  }

  #readAs<Result>(call: HttpCall, noun: string, read: Result | undefined): Result {
    if (read === undefined) throw failed(call, `answered with JSON that is no ${noun}`, gatewayHint);
    return read;
  }

  #to(member: URL, path: string, body: object, signal: AbortSignal, silenceMsMax: number): HttpCall {
    const { source, tls, credentials } = this.#options;
    const token = this.#token;
    return {
      source,
      method: 'POST',
      url: below(member, ['v3', ...path.split('/')]),
      body: JSON.stringify(body),
      headers: token === undefined ? {} : { authorization: token },
      ...(tls === undefined ? {} : { tls }),
      signal,
      silenceMsMax,
      secrets: [token, credentials?.password].filter((secret) => secret !== undefined),
    };
  }

  #refused(call: HttpCall, status: number, text: string): EngramError {
    const reason = refusalOf(safely(text));
    const hint = hintFor(reason, this.#options.credentials !== undefined);
    return refused(call, status, reason === 'no reason given' ? text : reason, { 404: gatewayHint, ...(hint === undefined ? {} : { [status]: hint }) });
  }
}

const gatewayHint = 'Check that this is the client address of an etcd of 3.4 or later, and that --enable-grpc-gateway is not switched off.';

function hintFor(reason: string, hasCredentials: boolean): string | undefined {
  if (tokenMissing.test(reason) && !hasCredentials) return 'This etcd wants a user name and a password: give the source credentials.';
  if (/invalid user ID or password/.test(reason)) return 'Check the user name and the password of the source.';
  if (/permission denied/.test(reason)) return 'Grant the user a role with readwrite permission on the prefix.';
  return undefined;
}

/** A refusal that concerns what was asked and not the member that was asked. */
function isFinal(error: EngramError): boolean {
  const { status } = error.details;
  return typeof status === 'number' && status >= 400 && status < 500;
}

function together(source: string, failures: readonly EngramError[]): EngramError {
  const [first] = failures;
  if (first !== undefined && failures.length === 1) return first;
  const message = `${source}: none of ${failures.length} members answered; ${failures.map((failure) => failure.message.replace(`${source}: `, '')).join('; ')}`;
  return new EngramError('discovery_failed', message, { ...(first === undefined ? {} : { hint: first.hint }), details: { source } });
}

function safely(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
