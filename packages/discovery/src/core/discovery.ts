import { assert, plusMs, unreachable, type Core, type Instant, type Random, type Wake } from '@engram/kernel';
import { Attempts } from './attempts.js';
import { readEndpoint, spelled } from './endpoint.js';
import type { EndpointSet, SourceFailure } from './endpoint-set.js';
import { cleanAnswer, unionOf } from './union.js';

/** What the core has to know of a source. */
export interface SourceRules {
  readonly name: string;
  readonly refreshMs: number;
  readonly timeoutMs: number;
  readonly watches: boolean;
  readonly registers: boolean;
}

/** What the core has to know besides its sources. */
export interface DiscoveryOptions {
  /** Addresses of this node. */
  readonly self: readonly string[];
  readonly endpointsMax: number;
  readonly refreshMinMs: number;
}

/** What a source said. Anything may be in it: the core takes what it can use. */
export interface Answer {
  readonly endpoints: readonly unknown[];
  readonly ttlMs?: number | undefined;
  readonly notes?: readonly string[] | undefined;
}

interface Failure {
  readonly reason: string;
  readonly hint: string;
}

/**
 * What happened. Whatever comes of a look-up, a watch or a registration names the attempt that the effect gave it; what
 * comes of an earlier attempt is out of date and is ignored.
 *
 *     start | ask ──> look-up(attempt) ──> answered(attempt) | look-up-failed(attempt)
 *     start ──> watch(attempt) ──> pushed(attempt)* ──> watch-ended(attempt) ──> later: watch(attempt + 1)
 *     register ──> register(attempt) ──> registered(attempt) | register-failed(attempt) ──> later: register(attempt + 1)
 */
export type DiscoveryInput =
  | { readonly kind: 'start' }
  /** Somebody wants to know now: every source that is not being asked is asked. */
  | { readonly kind: 'ask' }
  | { readonly kind: 'answered'; readonly source: string; readonly attempt: number; readonly answer: Answer }
  | ({ readonly kind: 'look-up-failed'; readonly source: string; readonly attempt: number } & Failure)
  | { readonly kind: 'pushed'; readonly source: string; readonly attempt: number; readonly answer: Answer }
  /** Without a reason the watch ended as watches do. */
  | { readonly kind: 'watch-ended'; readonly source: string; readonly attempt: number; readonly reason?: string }
  /** These are the addresses of this node, besides those given at the start. */
  | { readonly kind: 'own'; readonly own: readonly string[] }
  | { readonly kind: 'register' }
  | { readonly kind: 'registered'; readonly source: string; readonly attempt: number }
  | ({ readonly kind: 'register-failed'; readonly source: string; readonly attempt: number } & Failure)
  | { readonly kind: 'deregister' };

/** What the driver has to do, and what it may tell. Attempts number the look-ups, watches and registrations of a source. */
export type DiscoveryEffect =
  | { readonly kind: 'look-up'; readonly source: string; readonly attempt: number }
  /** The look-up is over: nobody needs to wait for it any more, and what still runs of it is aborted. */
  | { readonly kind: 'settled'; readonly source: string; readonly attempt: number; readonly outcome: 'answered' | 'failed' }
  | { readonly kind: 'watch'; readonly source: string; readonly attempt: number }
  | { readonly kind: 'register'; readonly source: string; readonly attempt: number }
  | ({ readonly kind: 'registration-settled'; readonly source: string; readonly attempt: number } & Partial<Failure>)
  | { readonly kind: 'endpoints-changed'; readonly added: readonly string[]; readonly removed: readonly string[]; readonly set: EndpointSet }
  | ({ readonly kind: 'source-failed'; readonly source: string; readonly consecutiveFailures: number } & Failure)
  | { readonly kind: 'source-recovered'; readonly source: string; readonly afterFailures: number }
  | { readonly kind: 'watch-lost'; readonly source: string; readonly reason: string };

/** How one source stands. */
export interface SourceStatus {
  readonly source: string;
  readonly state: 'waiting' | 'ok' | 'failing';
  /** Of the last answer, this node's own included. */
  readonly endpoints: readonly string[];
  readonly notes: readonly string[];
  readonly watching: boolean;
  readonly registered: boolean;
  readonly answeredAt: Instant | undefined;
  readonly nextAt: Instant | undefined;
  readonly failure: SourceFailure | undefined;
  readonly consecutiveFailures: number;
}

/** While a watch tells what changes, the source is asked this many times less often: only in case the watch is silently dead. */
export const watchedRefreshFactor = 10;
/**
 * A node that knows no peer at all is one that waits to join, so it asks soon after an empty answer, then less and less
 * often, down to this many times as often as usual. Nor does it wait longer than that after a failure.
 */
export const lonelyRefreshFactor = 6;
const lonelyFirstMs = 1_000;
/** Registrations that failed are tried again after at most this, in milliseconds. */
const registerBackoffMaxMs = 30_000;
/** So long may a source take to register: a registry that must elect a leader first answers late. */
export const registerTimeoutFactor = 2;

interface SourceState {
  readonly rules: SourceRules;
  readonly lookUps: Attempts;
  readonly watches: Attempts;
  readonly registrations: Attempts;
  endpoints: readonly string[];
  notes: readonly string[];
  answeredAt: Instant | undefined;
  failure: SourceFailure | undefined;
  registered: boolean;
  /** Answers in a row after which no peer was known. */
  lonelyAnswers: number;
  /** A watch that told nothing before it ended is one that does not work. */
  hasPushed: boolean;
  /** What a watch pushed is newer than the answer to a question asked before. */
  isOvertaken: boolean;
}

/**
 * Decides which source is asked when, and what their answers amount to.
 *
 * Each source has an interval, a limit and a back-off of its own, and none waits for another. What a source answered counts
 * until it answers something else: a source that fails, or is gone for good, takes nothing away.
 */
export class DiscoveryCore implements Core<DiscoveryInput, DiscoveryEffect> {
  readonly #random: Random;
  readonly #options: DiscoveryOptions;
  readonly #sources: readonly SourceState[];
  readonly #byName: ReadonlyMap<string, SourceState>;
  #own: Set<string>;
  #isStarted = false;
  #version = 0;
  #union: { endpoints: readonly string[]; bySource: EndpointSet['bySource']; omitted: number } = unionOf([], new Set(), 0);

  constructor(sources: readonly SourceRules[], random: Random, options: DiscoveryOptions) {
    this.#random = random;
    this.#options = options;
    this.#sources = sources.map((rules) => newSource(rules, random.fork(rules.name)));
    this.#byName = new Map(this.#sources.map((source) => [source.rules.name, source]));
    assert(this.#byName.size === sources.length, 'sources of one discovery have names of their own');
    this.#own = new Set(options.self.map(spelling));
  }

  handle(event: DiscoveryInput | Wake, now: Instant): readonly DiscoveryEffect[] {
    switch (event.kind) {
      case 'wake':            return this.#doWhatIsDue(now);
      case 'start':           return this.#start(now);
      case 'ask':             return this.#sources.filter(({ lookUps }) => !lookUps.running).map((source) => this.#lookUp(source, now));
      case 'answered':        return this.#answered(this.#source(event.source), event.attempt, event.answer, now);
      case 'look-up-failed':  return this.#lookUpFailed(this.#source(event.source), event.attempt, event, now);
      case 'pushed':          return this.#pushed(this.#source(event.source), event.attempt, event.answer, now);
      case 'watch-ended':     return this.#watchEnded(this.#source(event.source), event.attempt, event.reason, now);
      case 'own':             return this.#takeOwn(event.own);
      case 'register':        return this.#sources.filter(({ rules }) => rules.registers).map((source) => this.#tryToRegister(source, now));
      case 'registered':      return this.#registered(this.#source(event.source), event.attempt, now);
      case 'register-failed': return this.#registerFailed(this.#source(event.source), event.attempt, event, now);
      case 'deregister':      return this.#deregister();
      default:                return unreachable(event);
    }
  }

  nextWake(): Instant | undefined {
    let next: Instant | undefined;
    for (const { lookUps, watches, registrations } of this.#sources) {
      // A watch has no limit: its deadline only says that it runs.
      for (const at of [lookUps.nextAt, watches.dueAt, registrations.nextAt]) {
        if (at !== undefined && (next === undefined || at < next)) next = at;
      }
    }
    return next;
  }

  get current(): EndpointSet {
    const failures = this.#sources.flatMap(({ failure }) => failure ?? []);
    const complete = failures.length === 0 && this.#union.omitted === 0 && this.#sources.every(({ answeredAt }) => answeredAt !== undefined);
    return { version: this.#version, endpoints: this.#union.endpoints, bySource: this.#union.bySource, complete, failures };
  }

  /** One for each source, in their order. */
  statuses(): readonly SourceStatus[] {
    return this.#sources.map((source) => ({
      source: source.rules.name,
      state: source.failure ? 'failing' : source.answeredAt === undefined ? 'waiting' : 'ok',
      endpoints: source.endpoints,
      notes: source.notes,
      watching: source.watches.running,
      registered: source.registered,
      answeredAt: source.answeredAt,
      nextAt: source.lookUps.dueAt,
      failure: source.failure,
      consecutiveFailures: source.lookUps.failures,
    }));
  }

  #start(now: Instant): DiscoveryEffect[] {
    if (this.#isStarted) return [];
    this.#isStarted = true;
    return this.#sources.flatMap((source) => [
      ...(source.lookUps.running ? [] : [this.#lookUp(source, now)]),
      ...(source.rules.watches ? [this.#watch(source, now)] : []),
    ]);
  }

  #doWhatIsDue(now: Instant): DiscoveryEffect[] {
    return this.#sources.flatMap((source) => {
      const { rules, lookUps, watches, registrations } = source;
      const effects: DiscoveryEffect[] = [];
      if (lookUps.isLate(now)) effects.push(...this.#lookUpFailed(source, lookUps.id, lateLookUp(rules), now));
      if (lookUps.isDue(now)) effects.push(this.#lookUp(source, now));
      if (watches.isDue(now)) effects.push(this.#watch(source, now));
      if (registrations.isLate(now)) effects.push(...this.#registerFailed(source, registrations.id, lateRegistration(rules), now));
      if (registrations.isDue(now)) effects.push(this.#tryToRegister(source, now));
      return effects;
    });
  }

  #lookUp(source: SourceState, now: Instant): DiscoveryEffect {
    source.isOvertaken = false;
    return { kind: 'look-up', source: source.rules.name, attempt: source.lookUps.begin(now, source.rules.timeoutMs) };
  }

  #answered(source: SourceState, attempt: number, answer: Answer, now: Instant): DiscoveryEffect[] {
    if (!source.lookUps.isCurrent(attempt)) return [];
    const settled: DiscoveryEffect = { kind: 'settled', source: source.rules.name, attempt, outcome: 'answered' };
    const recovered = recoveredFrom(source);
    if (!source.isOvertaken) this.#take(source, answer);
    source.answeredAt = now;
    const changed = this.#changed();
    source.lookUps.succeed(now, this.#isStarted ? this.#untilNextMs(source, answer.ttlMs) : undefined);
    return [...recovered, ...changed, settled];
  }

  #lookUpFailed(source: SourceState, attempt: number, failure: Failure, now: Instant): DiscoveryEffect[] {
    const { rules, lookUps } = source;
    if (!lookUps.isCurrent(attempt)) return [];
    lookUps.fail(now, this.#union.endpoints.length === 0 ? rules.refreshMs / lonelyRefreshFactor : rules.refreshMs);
    if (!this.#isStarted) lookUps.dueAt = undefined;
    source.failure = { source: rules.name, reason: failure.reason, hint: failure.hint };
    return [
      { kind: 'source-failed', source: rules.name, consecutiveFailures: lookUps.failures, reason: failure.reason, hint: failure.hint },
      ...this.#changed(),
      { kind: 'settled', source: rules.name, attempt, outcome: 'failed' },
    ];
  }

  #watch(source: SourceState, now: Instant): DiscoveryEffect {
    source.hasPushed = false;
    return { kind: 'watch', source: source.rules.name, attempt: source.watches.begin(now, 0) };
  }

  #pushed(source: SourceState, attempt: number, answer: Answer, now: Instant): DiscoveryEffect[] {
    if (!source.watches.isCurrent(attempt)) return [];
    const recovered = recoveredFrom(source);
    source.hasPushed = true;
    source.watches.failures = 0;
    source.isOvertaken = source.lookUps.running;
    source.lookUps.failures = 0;
    this.#take(source, answer);
    source.answeredAt = now;
    const changed = this.#changed();
    if (!source.lookUps.running) source.lookUps.succeed(now, this.#untilNextMs(source, answer.ttlMs));
    return [...recovered, ...changed];
  }

  #watchEnded(source: SourceState, attempt: number, reason: string | undefined, now: Instant): DiscoveryEffect[] {
    const { rules, watches, lookUps } = source;
    if (!watches.isCurrent(attempt)) return [];
    // A watch that told something before it ended has worked, and the next one may begin at once, or nearly.
    if (source.hasPushed) watches.failures = 0;
    watches.fail(now, rules.refreshMs);
    if (reason === undefined) return [];
    // The source is asked soon, so that what is wrong with it shows, and what changed meanwhile is not missed for long.
    const soon = plusMs(now, watches.backoffMs(rules.refreshMs));
    if (lookUps.dueAt !== undefined && soon < lookUps.dueAt) lookUps.dueAt = soon;
    return [{ kind: 'watch-lost', source: rules.name, reason }];
  }

  #takeOwn(own: readonly string[]): DiscoveryEffect[] {
    const before = this.#own;
    this.#own = new Set([...this.#options.self, ...own].map(spelling));
    const isSame = before.size === this.#own.size && [...before].every((known) => this.#own.has(known));
    return isSame ? [] : this.#changed();
  }

  #tryToRegister(source: SourceState, now: Instant): DiscoveryEffect {
    const { rules, registrations } = source;
    return { kind: 'register', source: rules.name, attempt: registrations.begin(now, registerTimeoutFactor * rules.timeoutMs) };
  }

  #registered(source: SourceState, attempt: number, now: Instant): DiscoveryEffect[] {
    if (!source.registrations.isCurrent(attempt)) return [];
    source.registrations.succeed(now);
    source.registered = true;
    return [{ kind: 'registration-settled', source: source.rules.name, attempt }];
  }

  #registerFailed(source: SourceState, attempt: number, { reason, hint }: Failure, now: Instant): DiscoveryEffect[] {
    if (!source.registrations.isCurrent(attempt)) return [];
    source.registrations.fail(now, registerBackoffMaxMs);
    source.registered = false;
    return [{ kind: 'registration-settled', source: source.rules.name, attempt, reason, hint }];
  }

  #deregister(): DiscoveryEffect[] {
    for (const source of this.#sources) {
      source.registrations.cancel();
      source.registered = false;
    }
    return [];
  }

  #take(source: SourceState, answer: Answer): void {
    const { endpoints, notes } = cleanAnswer(answer.endpoints, this.#options.endpointsMax);
    source.endpoints = endpoints;
    source.notes = [...(answer.notes ?? []).slice(0, notesMax).map((note) => String(note).slice(0, noteCharactersMax)), ...notes];
  }

  /** Puts the union together anew, and says what came and went. */
  #changed(): DiscoveryEffect[] {
    const before = this.#union.endpoints;
    this.#union = unionOf(this.#sources.map(({ rules, endpoints }) => ({ source: rules.name, endpoints })), this.#own, this.#options.endpointsMax);
    const after = this.#union.endpoints;
    const [known, kept] = [new Set(before), new Set(after)];
    const added = after.filter((endpoint) => !known.has(endpoint));
    const removed = before.filter((endpoint) => !kept.has(endpoint));
    const isFirst = this.#version === 0 && (after.length > 0 || this.#sources.every(isHeard));
    if (!isFirst && added.length === 0 && removed.length === 0) return [];
    this.#version += 1;
    return [{ kind: 'endpoints-changed', added, removed, set: this.current }];
  }

  /** A little earlier than the interval says, by chance, so that nodes started together do not ask together for ever. */
  #untilNextMs(source: SourceState, ttlMs: number | undefined): number {
    const { rules, watches, hasPushed } = source;
    source.lonelyAnswers = this.#union.endpoints.length === 0 ? source.lonelyAnswers + 1 : 0;
    const usual = watches.running && hasPushed ? rules.refreshMs * watchedRefreshFactor : Math.min(rules.refreshMs, isDuration(ttlMs) ? ttlMs : Infinity);
    const isLonely = source.lonelyAnswers > 0;
    const interval = isLonely ? Math.min(usual, rules.refreshMs / lonelyRefreshFactor, lonelyFirstMs * 2 ** Math.min(source.lonelyAnswers - 1, 30)) : usual;
    // A TTL of nothing says that others must not keep the answer, not that it is worth asking for without a pause.
    const atLeast = isLonely ? Math.min(lonelyFirstMs, rules.refreshMs / lonelyRefreshFactor) : Math.min(this.#options.refreshMinMs, rules.refreshMs);
    return Math.max(atLeast, interval * (0.9 + 0.1 * this.#random.float()));
  }

  #source(name: string): SourceState {
    const source = this.#byName.get(name);
    assert(source !== undefined, `there is a source ${name}`);
    return source;
  }
}

/** What a source may add to its answer, so that it cannot fill the memory with remarks. */
const notesMax = 8;
const noteCharactersMax = 200;

function newSource(rules: SourceRules, random: Random): SourceState {
  return {
    rules,
    lookUps: new Attempts(random.fork('look-up')),
    watches: new Attempts(random.fork('watch')),
    registrations: new Attempts(random.fork('register')),
    endpoints: [], notes: [], answeredAt: undefined, failure: undefined, registered: false, lonelyAnswers: 0, hasPushed: false, isOvertaken: false,
  };
}

function isHeard({ answeredAt, failure }: SourceState): boolean {
  return answeredAt !== undefined || failure !== undefined;
}

function isDuration(ms: number | undefined): ms is number {
  return ms !== undefined && ms >= 0 && ms < Infinity;
}

function spelling(text: string): string {
  const endpoint = readEndpoint(text);
  return endpoint ? spelled(endpoint) : text;
}

function recoveredFrom(source: SourceState): DiscoveryEffect[] {
  if (!source.failure) return [];
  source.failure = undefined;
  return [{ kind: 'source-recovered', source: source.rules.name, afterFailures: source.lookUps.failures }];
}

function lateLookUp({ name, timeoutMs }: SourceRules): Failure {
  return { reason: `${name} did not answer within ${timeoutMs} ms`, hint: 'Check that the source can be reached from here, or raise its time limit.' };
}

function lateRegistration({ name, timeoutMs }: SourceRules): Failure {
  return { reason: `${name} did not take the registration within ${registerTimeoutFactor * timeoutMs} ms`, hint: 'Check that the source can be reached from here, or raise its time limit.' };
}

