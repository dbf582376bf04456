import { OptionsError } from '@engram/kernel';
import type { DiscoverySource, SelfRegistration, SourceAnswer, SourceCallOptions } from '../source.js';
import { apiAddress, below, isPathPart } from './api-address.js';
import { callHttp, failed, parseJson, refused, type HttpAnswer, type HttpCall, type TlsOptions } from './bounded-http.js';
import { endpointsOfCatalogue, endpointsOfHealth, nextIndex, type ConsulIndex } from './consul-answer.js';
import { serviceDefinition, type ConsulServiceDefinition } from './consul-registration.js';
import { pause } from './pause.js';
import { checkWhole, type SourceTiming } from './source-options.js';

export interface ConsulSourceOptions extends SourceTiming {
  /** The Consul agent to ask, best the one on this host. @default '127.0.0.1:8500', or port 8501 with https */
  readonly address?: string;
  /** Name of the service that the nodes of the cluster register as. @default 'engram' */
  readonly service?: string;
  /** Only services with this tag; registration sets it. @default any */
  readonly tag?: string;
  /** ACL token; needs `service:read`, and `service:write` where the node registers. Never printed. */
  readonly token?: string;
  /**
   * Whether only services whose checks all pass are taken. False asks the catalogue, which also names nodes that look
   * ill: useful where a whole cluster starts at once and no check has run. @default true
   */
  readonly passingOnly?: boolean;
  /** @default the datacenter of the agent */
  readonly datacenter?: string;
  /** @default 'http', or 'https' where `tls` is given */
  readonly scheme?: 'http' | 'https';
  readonly tls?: TlsOptions;
  /** How often to ask besides the watch, in milliseconds. @default 60_000 */
  readonly refreshMs?: number;
  /** For one look-up, in milliseconds. @default 5_000 */
  readonly timeoutMs?: number;
  /** How long Consul holds a blocking query when nothing changes, in milliseconds; Consul takes 10 minutes at most. @default 300_000 */
  readonly waitMs?: number;
}

/** The shortest pause between two blocking queries: on a busy cluster the index moves with every write. */
const watchPauseMs = 200;
/** The longest, which a server that answers at once without news is driven to. */
const watchPauseMsMax = 10_000;

/**
 * Finds peers as services of Consul: `/v1/health/service/:service` for those whose checks pass, or the catalogue, each
 * followed with blocking queries. Registers this node with the agent, with an HTTP check. Speaks the HTTP API itself;
 * Consul needs no client library.
 *
 * Sources: Consul API, "Health", "Catalog", "Agent: Service", "Blocking Queries".
 */
export function consulSource(options: ConsulSourceOptions = {}): DiscoverySource {
  return new ConsulSource(options);
}

class ConsulSource implements DiscoverySource {
  readonly name: string;
  readonly refreshMs: number;
  readonly timeoutMs: number;
  readonly #options: ConsulSourceOptions;
  readonly #base: URL;
  readonly #service: string;
  readonly #passingOnly: boolean;
  readonly #waitMs: number;
  /** What the agent was told of this node; told again when a restarted agent has forgotten it. */
  #registered: ConsulServiceDefinition | undefined;

  constructor(options: ConsulSourceOptions) {
    this.#options = options;
    const scheme = options.scheme ?? (options.tls === undefined ? 'http' : 'https');
    this.#base = apiAddress('address', options.address ?? '127.0.0.1', { scheme, port: scheme === 'https' ? 8_501 : 8_500 });
    this.#service = options.service ?? 'engram';
    this.#passingOnly = options.passingOnly ?? true;
    this.#waitMs = options.waitMs ?? 300_000;
    this.name = options.name ?? 'consul';
    this.refreshMs = options.refreshMs ?? 60_000;
    this.timeoutMs = options.timeoutMs ?? 5_000;
    checkWhole('timeoutMs', this.timeoutMs, 10, 600_000);
    if (!isPathPart(this.#service)) throw new OptionsError('service', 'must be the name of a service');
    checkWhole('waitMs', this.#waitMs, 1_000, 600_000);
    if (options.token !== undefined && !/^[\x21-\x7e]+$/.test(options.token)) throw new OptionsError('token', 'must be printable ASCII without spaces; check for a line break at its end');
  }

  async lookUp({ signal }: SourceCallOptions): Promise<SourceAnswer> {
    const call = this.#query(signal, this.timeoutMs);
    const [answer, notes] = await Promise.all([callHttp(call), this.#keepRegistered(signal)]);
    const { endpoints, notes: told = [] } = this.#read(call, answer);
    return { endpoints, notes: [...told, ...notes] };
  }

  async watch(emit: (answer: SourceAnswer) => void, { signal }: SourceCallOptions): Promise<void> {
    let index: ConsulIndex = 0;
    let pauseMs = watchPauseMs;
    while (!signal.aborted) {
      // Consul adds up to a sixteenth to the wait; a connection that stays silent for longer than that is dead.
      const call = this.#query(signal, this.#waitMs + this.#waitMs / 16 + this.timeoutMs, index);
      const askedAt = performance.now();
      const answer = await callHttp(call).catch((error: unknown) => {
        if (signal.aborted) return undefined;
        throw error;
      });
      if (answer === undefined) return;
      const read = this.#read(call, answer);
      const next = nextIndex(index, answer.headers['x-consul-index']);
      if (next === 0 || next !== index) emit(read);
      const heldQuery = performance.now() - askedAt >= 1_000;
      pauseMs = heldQuery || next > index ? watchPauseMs : Math.min(2 * pauseMs, watchPauseMsMax);
      index = next;
      await pause(pauseMs, signal);
    }
  }

  async register(self: SelfRegistration, { signal }: SourceCallOptions): Promise<void> {
    const definition = serviceDefinition(this.#service, this.#options.tag, self);
    const before = this.#registered;
    if (before !== undefined && before.ID !== definition.ID) await this.deregister({ signal });
    // Noted before it is known to have worked: an answer may get lost, and leaving must take back what the agent heard.
    this.#registered = definition;
    await this.#tellAgent(definition, signal);
  }

  async deregister({ signal }: SourceCallOptions): Promise<void> {
    const registered = this.#registered;
    if (registered === undefined) return;
    const call = this.#call(signal, 'PUT', ['v1', 'agent', 'service', 'deregister', registered.ID]);
    const answer = await callHttp(call);
    // An agent that does not know the service has nothing to take back.
    if (answer.status !== 200 && answer.status !== 404) throw refused(call, answer.status, answer.text, this.#hints('service:write'));
    this.#registered = undefined;
  }

  #query(signal: AbortSignal, silenceMsMax: number, index: ConsulIndex = 0): HttpCall {
    const query = {
      ...(this.#passingOnly ? { passing: '1' } : {}),
      // Any server may answer: finding peers must work while Consul elects its leader.
      stale: '1',
      tag: this.#options.tag,
      dc: this.#options.datacenter,
      ...(index > 0 ? { index: String(index), wait: `${Math.round(this.#waitMs / 1_000)}s` } : {}),
    };
    return this.#call(signal, 'GET', ['v1', this.#passingOnly ? 'health' : 'catalog', 'service', this.#service], { query, silenceMsMax });
  }

  #read(call: HttpCall, answer: HttpAnswer): SourceAnswer {
    if (answer.status !== 200) throw refused(call, answer.status, answer.text, this.#hints('service:read and node:read'));
    const parsed = parseJson(call, answer.text);
    const endpoints = this.#passingOnly ? endpointsOfHealth(parsed) : endpointsOfCatalogue(parsed);
    if (endpoints === undefined) throw failed(call, 'answered with JSON that is no list of services', 'Check that the address is that of a Consul agent.');
    return endpoints;
  }

  async #tellAgent(definition: ConsulServiceDefinition, signal: AbortSignal): Promise<void> {
    const call = this.#call(signal, 'PUT', ['v1', 'agent', 'service', 'register'], {
      query: { 'replace-existing-checks': 'true' },
      body: JSON.stringify(definition),
    });
    const answer = await callHttp(call);
    if (answer.status !== 200) throw refused(call, answer.status, answer.text, this.#hints('service:write'));
  }

  /** Notes about the registration. That it fails must not hide what the look-up found. */
  async #keepRegistered(signal: AbortSignal): Promise<readonly string[]> {
    const registered = this.#registered;
    if (registered === undefined) return [];
    try {
      const answer = await callHttp(this.#call(signal, 'GET', ['v1', 'agent', 'service', registered.ID]));
      if (answer.status !== 404 || this.#registered !== registered) return [];
      await this.#tellAgent(registered, signal);
      return ['the agent had forgotten this node; it is registered again'];
    } catch (error) {
      return [`the registration of this node could not be checked: ${(error as Error).message}`];
    }
  }

  #call(signal: AbortSignal, method: 'GET' | 'PUT', path: readonly string[], more: { query?: Record<string, string | undefined>; body?: string; silenceMsMax?: number } = {}): HttpCall {
    const { token, tls } = this.#options;
    return {
      source: this.name,
      method,
      url: below(this.#base, path, more.query),
      headers: token === undefined ? {} : { 'x-consul-token': token },
      ...(more.body === undefined ? {} : { body: more.body }),
      ...(tls === undefined ? {} : { tls }),
      signal,
      silenceMsMax: more.silenceMsMax ?? this.timeoutMs,
      secrets: token === undefined ? [] : [token],
    };
  }

  #hints(rights: string): Readonly<Record<number, string>> {
    const hint = this.#options.token === undefined ? `Give the source a token that has ${rights}.` : `Check that the token is the right one and that its policy has ${rights}.`;
    return { 401: hint, 403: hint, 404: 'Check that the address is that of a Consul agent.' };
  }
}
