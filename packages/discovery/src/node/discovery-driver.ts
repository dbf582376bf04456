import { assert, Driver, EngramError, msBetween, plusMs, unreachable, type Clock, type Instant, type Random } from '@engram/kernel';
import { wallClockMs } from '@engram/kernel/node';
import { DiscoveryCore, parseEndpoint, type DiscoveryEffect, type DiscoveryInput, type DiscoveryOptions, type EndpointSet, type SourceFailure } from '../core/index.js';
import type { Discovery, DiscoverOptions, DiscoveryEvent, DiscoveryHealth, DiscoveryMetrics, HealthOptions, RegistrationOutcome, SourceHealth } from '../discovery.js';
import type { DiscoverySource, SelfRegistration, SourceAnswer } from '../source.js';
import { failureOf } from './failure.js';
import { LatestFeed } from './latest-feed.js';
import type { OwnAddresses } from './own-addresses.js';
import { SourceMeter } from './source-meter.js';

/** Something a source is doing for us. */
interface Call<Result> {
  readonly attempt: number;
  readonly abort: AbortController;
  readonly startedAt: Instant;
  readonly done: Promise<Result>;
  readonly finish: (result: Result) => void;
}

type RegistrationResult = { readonly source: string; readonly failure?: SourceFailure };

export interface DiscoveryDriverParts {
  readonly sources: readonly DiscoverySource[];
  readonly core: DiscoveryOptions;
  readonly own: OwnAddresses;
  readonly random: Random;
  readonly clock: Clock;
  readonly onEvent: ((event: DiscoveryEvent) => void) | undefined;
}

/** Nobody waits longer than this for the names of this node; an answer that came meanwhile is taken with what is known of them. */
const ownLimitMs = 500;

/** Performs what the core decides: calls the sources, ends calls that take too long, and tells whoever listens. */
export class DiscoveryDriver implements Discovery {
  readonly #sources: ReadonlyMap<string, DiscoverySource>;
  readonly #meters: ReadonlyMap<string, SourceMeter>;
  readonly #core: DiscoveryCore;
  readonly #driver: Driver<DiscoveryInput, DiscoveryEffect>;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #own: OwnAddresses;
  readonly #onEvent: ((event: DiscoveryEvent) => void) | undefined;
  readonly #lookUps = new Map<string, Call<void>>();
  readonly #watches = new Map<string, Call<void>>();
  readonly #registrations = new Map<string, Call<RegistrationResult>>();
  /** Sources that were asked to register, whether or not it worked: each may have kept something. */
  readonly #asked = new Set<string>();
  readonly #feeds = new Set<LatestFeed<EndpointSet, unknown>>();
  readonly #stopping = new AbortController();
  #self: SelfRegistration | undefined;
  #stopped: Promise<void> | undefined;

  constructor({ sources, core, own, random, clock, onEvent }: DiscoveryDriverParts) {
    this.#sources = new Map(sources.map((source) => [source.name, source]));
    this.#meters = new Map(sources.map(({ name }) => [name, new SourceMeter()]));
    this.#clock = clock;
    this.#random = random.fork('seeds');
    this.#onEvent = onEvent;
    this.#own = own;
    const rules = sources.map(({ name, refreshMs, timeoutMs, watch, register }) => ({ name, refreshMs, timeoutMs, watches: watch !== undefined, registers: register !== undefined }));
    this.#core = new DiscoveryCore(rules, random.fork('core'), core);
    this.#driver = new Driver<DiscoveryInput, DiscoveryEffect>(this.#core, clock, (effect) => this.#perform(effect));
  }

  start(): void {
    this.#checkRunning();
    this.#driver.dispatch({ kind: 'start' });
  }

  async discover({ signal, timeoutMs = this.#longestLimitMs() }: DiscoverOptions = {}): Promise<EndpointSet> {
    signal?.throwIfAborted();
    this.#checkRunning();
    this.#driver.dispatch({ kind: 'ask' });
    const asked = [...this.#lookUps];
    await this.#within(timeoutMs, Promise.all(asked.map(([, { done }]) => done)), signal);
    const silent = asked.filter(([source, call]) => this.#lookUps.get(source) === call).map(([source]) => source);
    if (silent.length === 0) return this.current;
    const failures = silent.map((source) => ({ source, reason: `${source} has not answered within ${timeoutMs} ms`, hint: 'Allow more time, or look at `changes` for what comes later.' }));
    return { ...this.current, complete: false, failures: [...this.current.failures.filter(({ source }) => !silent.includes(source)), ...failures] };
  }

  changes({ signal }: { readonly signal?: AbortSignal } = {}): AsyncIterable<EndpointSet> {
    return this.#feed((set) => set, signal);
  }

  seeds({ max = 256, signal }: { readonly max?: number; readonly signal?: AbortSignal } = {}): AsyncIterable<readonly string[]> {
    return this.#feed(({ endpoints }) => this.#random.shuffle(endpoints).slice(0, max), signal);
  }

  [Symbol.asyncIterator](): AsyncIterator<EndpointSet> {
    return this.#feed((set) => set);
  }

  get current(): EndpointSet {
    return this.#core.current;
  }

  health({ isReachable }: HealthOptions = {}): DiscoveryHealth {
    const { endpoints, complete } = this.current;
    const [now, wallMs] = [this.#clock.now(), wallClockMs()];
    const wallOf = (at: Instant): number => Math.round(wallMs + msBetween(now, at));
    const sources = this.#core.statuses().map(
      (status): SourceHealth => ({
        source: status.source,
        state: status.state,
        total: status.endpoints.length,
        ...(isReachable && { reachable: status.endpoints.filter((endpoint) => isReachable(endpoint)).length }),
        watching: status.watching,
        registered: status.registered,
        ...(status.answeredAt !== undefined && { lastRefreshAtMs: wallOf(status.answeredAt) }),
        ...(status.nextAt !== undefined && { nextRefreshAtMs: wallOf(status.nextAt) }),
        ...(status.failure && { lastError: status.failure.reason }),
        consecutiveFailures: status.consecutiveFailures,
        notes: status.notes,
      }),
    );
    return { sources, endpoints: endpoints.length, complete };
  }

  metrics(): DiscoveryMetrics {
    const sources = this.#core.statuses().map(({ source, endpoints }) => this.#meter(source).snapshot(source, endpoints.length));
    return { sources, peers: this.current.endpoints.length };
  }

  async register(self: SelfRegistration): Promise<RegistrationOutcome> {
    this.#checkRunning();
    parseEndpoint(self.swim, 'swim');
    this.#self = self;
    this.#own.add(self.swim);
    await this.#learnOwn();
    this.#checkRunning();
    this.#driver.dispatch({ kind: 'register' });
    const outcomes = await Promise.all([...this.#registrations.values()].map(({ done }) => done));
    return { registered: outcomes.filter(({ failure }) => !failure).map(({ source }) => source), failures: outcomes.flatMap(({ failure }) => failure ?? []) };
  }

  async deregister(): Promise<readonly SourceFailure[]> {
    this.#self = undefined;
    // A source that is closed is not called any more; what it holds expires by itself.
    if (this.#driver.stopped) return [];
    this.#driver.dispatch({ kind: 'deregister' });
    const cancelled = [...this.#registrations.keys()];
    cancelled.forEach((source) => this.#registrationSettled(source, undefined, { source, reason: `${source} was deregistered meanwhile`, hint: 'Register again.' }));
    const asked = [...this.#asked];
    this.#asked.clear();
    const failures = await Promise.all(asked.map((name) => this.#deregisterFrom(this.#source(name))));
    return failures.flatMap((failure) => failure ?? []);
  }

  stop(): Promise<void> {
    return (this.#stopped ??= this.#stop());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#driver.stop();
    const reason = new EngramError('shutting_down', 'the discovery was stopped');
    this.#stopping.abort(reason);
    for (const { abort } of [...this.#lookUps.values(), ...this.#watches.values(), ...this.#registrations.values()]) abort.abort(reason);
    for (const [source, { finish }] of this.#registrations) finish({ source, failure: failureOf(source, reason) });
    for (const feed of [...this.#feeds]) feed.end();
    // A source that does not come to an end must not keep whoever stops it.
    await Promise.all([...this.#sources.values()].map((source) => this.#within(source.timeoutMs, Promise.resolve().then(() => source.close?.()).catch(() => undefined))));
  }

  #perform(effect: DiscoveryEffect): void {
    switch (effect.kind) {
      case 'look-up':              return this.#lookUp(this.#source(effect.source), effect.attempt);
      case 'settled':              return this.#settled(effect.source, effect.attempt, effect.outcome);
      case 'watch':                return this.#watch(this.#source(effect.source), effect.attempt);
      case 'register':             return this.#registerWith(this.#source(effect.source), effect.attempt);
      case 'registration-settled': return this.#registrationSettled(effect.source, effect.attempt, effect.reason === undefined ? undefined : { source: effect.source, reason: effect.reason, hint: effect.hint ?? '' });
      case 'endpoints-changed':    return this.#endpointsChanged(effect);
      case 'source-failed':        return this.#tell(effect);
      case 'source-recovered':     return this.#tell(effect);
      case 'watch-lost':           return this.#tell({ kind: 'watch-ended', source: effect.source, reason: effect.reason });
      default:                     return unreachable(effect);
    }
  }

  #lookUp(source: DiscoverySource, attempt: number): void {
    const { name } = source;
    const call = this.#newCall<void>(attempt);
    this.#lookUps.set(name, call);
    this.#meter(name).asked();
    const ownKnown = this.#learnOwn();
    // In a turn of its own, so that a source that answers or throws at once is no special case.
    Promise.resolve()
      .then(() => source.lookUp({ signal: call.abort.signal }))
      .then(async (answer) => (await ownKnown, checkedAnswer(name, answer)))
      .then(
        (answer) => this.#driver.dispatch({ kind: 'answered', source: name, attempt, answer }),
        (error: unknown) => this.#driver.dispatch({ kind: 'look-up-failed', attempt, ...failureOf(name, error) }),
      );
  }

  /** Looks up the names of this node, so that its own address is known before an answer with it comes. */
  async #learnOwn(): Promise<void> {
    let giveUp: () => void = () => undefined;
    const givenUp = new Promise<void>((resolve) => (giveUp = resolve));
    const stopping = this.#stopping.signal;
    const cancel = this.#clock.schedule(plusMs(this.#clock.now(), ownLimitMs), giveUp);
    stopping.addEventListener('abort', giveUp, { once: true });
    const own = await this.#own.resolve(this.#clock.now() / 1_000, givenUp);
    cancel();
    stopping.removeEventListener('abort', giveUp);
    this.#driver.dispatch({ kind: 'own', own });
  }

  #settled(source: string, attempt: number, outcome: 'answered' | 'failed'): void {
    const call = this.#lookUps.get(source);
    if (call?.attempt !== attempt) return;
    this.#lookUps.delete(source);
    this.#meter(source).settled(outcome, msBetween(call.startedAt, this.#clock.now()) / 1_000);
    call.abort.abort(new EngramError('deadline_exceeded', `the look-up of ${source} is over`));
    call.finish();
  }

  #watch(source: DiscoverySource, attempt: number): void {
    const { name } = source;
    const call = this.#newCall<void>(attempt);
    this.#watches.set(name, call);
    const end = (reason?: string): void => {
      if (this.#watches.get(name) === call) this.#watches.delete(name);
      call.abort.abort(new EngramError('unavailable', `the watch of ${name} is over`));
      this.#driver.dispatch({ kind: 'watch-ended', source: name, attempt, ...(reason !== undefined && { reason }) });
    };
    const emit = (answer: SourceAnswer): void => {
      if (call.abort.signal.aborted) return;
      try {
        const checked = checkedAnswer(name, answer);
        this.#meter(name).pushed();
        this.#driver.dispatch({ kind: 'pushed', source: name, attempt, answer: checked });
      } catch (error) {
        end(failureOf(name, error).reason);
      }
    };
    Promise.resolve()
      .then(() => source.watch?.(emit, { signal: call.abort.signal }))
      .then(
        () => end(),
        (error: unknown) => end(failureOf(name, error).reason),
      );
  }

  #registerWith(source: DiscoverySource, attempt: number): void {
    const { name } = source;
    const self = this.#self;
    assert(self !== undefined, 'the core registers only what was given to register');
    this.#registrations.get(name)?.abort.abort(new EngramError('unavailable', `the registration with ${name} was replaced`));
    const before = this.#registrations.get(name);
    const call = this.#newCall<RegistrationResult>(attempt);
    // Whoever waits for the registration that is replaced, waits for the one that replaces it.
    if (before) void call.done.then(before.finish);
    this.#registrations.set(name, call);
    this.#asked.add(name);
    Promise.resolve()
      .then(() => source.register?.(self, { signal: call.abort.signal }))
      .then(
        () => this.#driver.dispatch({ kind: 'registered', source: name, attempt }),
        (error: unknown) => this.#driver.dispatch({ kind: 'register-failed', attempt, ...failureOf(name, error) }),
      );
  }

  /** Without an attempt, whichever runs. */
  #registrationSettled(source: string, attempt: number | undefined, failure: SourceFailure | undefined): void {
    const call = this.#registrations.get(source);
    if (!call || (attempt !== undefined && call.attempt !== attempt)) return;
    this.#registrations.delete(source);
    // A source may keep up its registration with this signal, so it is left alone when it succeeded.
    if (failure) call.abort.abort(new EngramError('unavailable', `the registration with ${source} is over`));
    call.finish({ source, ...(failure && { failure }) });
    // Whoever takes a registration back knows that it did not come about.
    if (attempt !== undefined) this.#tell(failure ? { kind: 'registration-failed', ...failure } : { kind: 'registered', source });
  }

  async #deregisterFrom(source: DiscoverySource): Promise<SourceFailure | undefined> {
    const abort = new AbortController();
    const late = { source: source.name, reason: `${source.name} did not take back the registration within ${source.timeoutMs} ms`, hint: 'It expires by itself.' };
    const done = Promise.resolve()
      .then(() => source.deregister?.({ signal: abort.signal }))
      .then(() => undefined, (error: unknown) => failureOf(source.name, error));
    const outcome = await this.#within(source.timeoutMs, done).catch((error: unknown) => failureOf(source.name, error));
    abort.abort(new EngramError('deadline_exceeded', late.reason));
    return outcome === timedOut ? late : outcome;
  }

  #endpointsChanged({ added, removed, set }: Extract<DiscoveryEffect, { kind: 'endpoints-changed' }>): void {
    for (const feed of this.#feeds) feed.push(set);
    this.#tell({ kind: 'endpoints-changed', added: added.map((endpoint) => ({ endpoint, sources: set.bySource[endpoint] ?? [] })), removed, set });
  }

  #tell(event: DiscoveryEvent): void {
    try {
      this.#onEvent?.(event);
    } catch (error) {
      // It is the listener's mistake, and must not be taken for one of the core, which would end the discovery.
      queueMicrotask(() => {
        throw error;
      });
    }
  }

  #feed<Out>(shape: (set: EndpointSet) => Out, signal?: AbortSignal): LatestFeed<EndpointSet, Out> {
    const onAbort = (): void => feed.end();
    const feed = new LatestFeed<EndpointSet, Out>(shape, () => {
      this.#feeds.delete(feed as LatestFeed<EndpointSet, unknown>);
      signal?.removeEventListener('abort', onAbort);
    });
    if (signal?.aborted || this.#driver.stopped) {
      feed.end();
      return feed;
    }
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#feeds.add(feed as LatestFeed<EndpointSet, unknown>);
    if (this.current.version > 0) feed.push(this.current);
    return feed;
  }

  /** What `work` comes to, or that the time was up. Rejects when the signal aborts or the discovery stops. */
  #within<T>(ms: number, work: Promise<T>, signal?: AbortSignal): Promise<T | typeof timedOut> {
    return new Promise((resolve, reject) => {
      const stopping = this.#stopping.signal;
      const aborted = (): void => settle(() => reject((signal?.aborted ? signal : stopping).reason as Error));
      const cancel = this.#clock.schedule(plusMs(this.#clock.now(), ms), () => settle(() => resolve(timedOut)));
      const settle = (how: () => void): void => {
        cancel();
        signal?.removeEventListener('abort', aborted);
        stopping.removeEventListener('abort', aborted);
        how();
      };
      signal?.addEventListener('abort', aborted, { once: true });
      // What runs while stopping is waited for all the same.
      if (!stopping.aborted) stopping.addEventListener('abort', aborted, { once: true });
      work.then(
        (result) => settle(() => resolve(result)),
        (error: unknown) => settle(() => reject(error as Error)),
      );
    });
  }
  #newCall<Result>(attempt: number): Call<Result> {
    let finish: (result: Result) => void = () => undefined;
    const done = new Promise<Result>((resolve) => (finish = resolve));
    return { attempt, abort: new AbortController(), startedAt: this.#clock.now(), done, finish };
  }

  #longestLimitMs(): number {
    return Math.max(...[...this.#sources.values()].map(({ timeoutMs }) => timeoutMs));
  }

  #checkRunning(): void {
    if (this.#driver.stopped) throw new EngramError('shutting_down', 'the discovery was stopped', { hint: 'Create another one.' });
  }

  #source(name: string): DiscoverySource {
    const source = this.#sources.get(name);
    assert(source !== undefined, `there is a source ${name}`);
    return source;
  }

  #meter(name: string): SourceMeter {
    const meter = this.#meters.get(name);
    assert(meter !== undefined, `there is a source ${name}`);
    return meter;
  }
}

const timedOut = Symbol('timed out');

/** A source of one's own may be written without types. */
function checkedAnswer(source: string, answer: unknown): SourceAnswer {
  const { endpoints, notes } = (typeof answer === 'object' && answer !== null ? answer : {}) as Partial<SourceAnswer>;
  if (Array.isArray(endpoints) && (notes === undefined || Array.isArray(notes))) return answer as SourceAnswer;
  throw new EngramError('discovery_failed', `${source} gave something that is no answer: it must be an object with a list of endpoints`, { hint: 'Correct the source.' });
}
