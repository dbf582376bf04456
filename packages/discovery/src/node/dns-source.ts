import { Resolver } from 'node:dns/promises';
import { EngramError, OptionsError, shown } from '@engram/kernel';
import { canonicalHost, defaultPort, familyOf, parseEndpoint, spelled } from '../core/index.js';
import type { DiscoverySource, SourceAnswer, SourceCallOptions } from '../source.js';
import { machineNameLookup, type NameLookup } from './name-book.js';
import { checkWhole, type SourceTiming } from './source-options.js';

/** What to ask DNS, and whom. */
export interface DnsSourceOptions extends Omit<SourceTiming, 'name'> {
  /** What to ask for: `_engram._tcp.example.com` for SRV, `engram.default.svc.cluster.local` for the addresses behind a headless service. */
  readonly name: string;
  /** What the source is called in health, metrics and logs. @default 'dns' */
  readonly sourceName?: string;
  /** The port of the membership, for names that stand for addresses only. @default 7946 */
  readonly port?: number;
  /**
   * Which records to ask for. `auto` asks a name that begins with an underscore for SRV, a name with a `port` beside it for
   * A and AAAA, and any other name for SRV first, and for A and AAAA when it has none. @default 'auto'
   */
  readonly records?: 'auto' | 'srv' | 'address';
  /** DNS servers as `ip`, `ip:port` or `[v6]:port`. @default those of the machine */
  readonly resolver?: string | readonly string[];
  /** Asked when DNS does not know a name that stands for addresses: the hosts file and the search list. @default the machine's, unless a resolver is given */
  readonly lookup?: NameLookup;
}

/** More targets than this are not resolved; beyond it, one answer would mean thousands of questions. */
const targetsMax = 512;
/** So many questions at once: a socket's buffer holds their answers. */
const questionsMax = 32;

/**
 * Asks DNS. The TTL of the addresses shortens the interval; that of SRV records does not, because Node does not tell it,
 * nor the additional records, so each target is asked for. Priorities and weights are ignored: any peer is as good as another.
 *
 * A name that does not exist is a failure, as it may have been mistyped or not be there yet, and what was known before
 * still counts. A name that exists without any record is an answer: there are no peers now.
 *
 * Throws `invalid_options` or `invalid_argument` naming the option.
 */
export function dnsSource(options: DnsSourceOptions): DiscoverySource {
  const { sourceName = 'dns', refreshMs = 30_000, timeoutMs = 2_000, name, port, records = 'auto', resolver } = options;
  if (typeof name !== 'string' || canonicalHost(name) === undefined || familyOf(name) !== 0) throw new OptionsError('name', `must be a name in DNS like "_engram._tcp.example.com"; got ${shown(name)}`);
  if (!['auto', 'srv', 'address'].includes(records)) throw new OptionsError('records', `must be auto, srv or address; got ${shown(records)}`);
  checkWhole('timeoutMs', timeoutMs, 10, 600_000);
  if (port !== undefined) checkWhole('port', port, 1, 65_535);
  const servers = resolver === undefined ? undefined : [resolver].flat().map(dnsServer);
  const lookup = options.lookup ?? (servers === undefined ? machineNameLookup : undefined);
  const settings: Settings = { sourceName, name, port: port ?? defaultPort, servers, lookup, timeoutMs };
  const ask = records === 'srv' || (records === 'auto' && name.startsWith('_')) ? askServices : records === 'address' || port !== undefined ? askAddresses : askEither;

  return {
    name: sourceName,
    refreshMs,
    timeoutMs,
    async lookUp({ signal }: SourceCallOptions): Promise<SourceAnswer> {
      signal.throwIfAborted();
      const questions = new Questions(settings, signal);
      try {
        return await ask(questions, settings);
      } finally {
        questions.end();
      }
    },
  };
}

interface Settings {
  readonly sourceName: string;
  readonly name: string;
  readonly port: number;
  readonly servers: readonly string[] | undefined;
  readonly lookup: NameLookup | undefined;
  readonly timeoutMs: number;
}

/** SRV records, and the addresses of what they name. */
async function askServices(questions: Questions, settings: Settings): Promise<SourceAnswer> {
  const services = await questions.services(settings.name);
  return services.ok ? resolveServices(services.records, questions, settings) : Promise.reject(refusal(settings, 'SRV', services.error, questions));
}

async function resolveServices(records: readonly ServiceRecord[], questions: Questions, settings: Settings): Promise<SourceAnswer> {
  // A lone dot for a target says in so many words that the service is not offered (RFC 2782).
  const offered = records.filter(({ name }) => name !== '' && name !== '.');
  if (offered.length === 0) return { endpoints: [], notes: [`${settings.name} has no SRV record`] };
  const targets = [...new Set(offered.map(({ name }) => name))].slice(0, targetsMax);
  const found = new Map(await Promise.all(targets.map(async (target) => [target, await questions.addresses(target)] as const)));
  const endpoints = offered.flatMap(({ name, port }) => (found.get(name)?.addresses ?? []).map((host) => spelled({ host, port })));
  const problems = [...found].flatMap(([target, { problems, addresses }]) => (problems.length > 0 || addresses.length === 0 ? [`${target}: ${problems.join(', ') || 'no address'}`] : []));
  if (endpoints.length === 0) throw refusal(settings, 'A and AAAA of the targets of', `${problems.length} of ${targets.length} cannot be resolved; ${problems.slice(0, 3).join('; ')}`, questions);
  const notes = problems.length > 0 ? [`${problems.length} of ${targets.length} targets cannot be resolved wholly; ${problems.slice(0, 3).join('; ')}`] : [];
  if (targets.length === targetsMax) notes.push(`only the first ${targetsMax} targets were resolved`);
  return answerOf(endpoints, [...found.values()], notes);
}

/** The addresses of the name itself. */
async function askAddresses(questions: Questions, settings: Settings): Promise<SourceAnswer> {
  const found = await questions.addresses(settings.name);
  const endpoints = found.addresses.map((host) => spelled({ host, port: settings.port }));
  if (endpoints.length > 0) return answerOf(endpoints, [found], found.problems.map((problem) => `${settings.name}: ${problem}`));
  const known = await questions.byMachine(settings.name);
  if (known.length > 0) return { endpoints: known.map((host) => spelled({ host, port: settings.port })), notes: [`${settings.name} was found by the machine's own resolver`] };
  if (found.problems.length > 0) throw refusal(settings, 'A and AAAA', found.problems.join(', '), questions);
  return { endpoints: [], notes: [`${settings.name} has no A or AAAA record`] };
}

async function askEither(questions: Questions, settings: Settings): Promise<SourceAnswer> {
  const services = await questions.services(settings.name);
  return services.ok && services.records.length > 0 ? resolveServices(services.records, questions, settings) : askAddresses(questions, settings);
}

function answerOf(endpoints: readonly string[], found: readonly FoundAddresses[], notes: readonly string[]): SourceAnswer {
  const ttls = found.flatMap(({ ttlSeconds }) => ttlSeconds ?? []);
  return { endpoints, notes, ...(ttls.length > 0 && { ttlMs: 1_000 * ttls.reduce((a, b) => Math.min(a, b)) }) };
}

function refusal({ sourceName, name, servers }: Settings, what: string, why: string, questions: Questions): EngramError {
  const where = servers ? servers.join(', ') : "the machine's DNS servers";
  const hint = why.startsWith(notFound)
    ? 'Create the record, or check the spelling: the whole name is needed, as no search list is applied to SRV. Peers known before still count.'
    : 'Check that the DNS server can be reached from here and answers for this name; it is asked again by itself.';
  return new EngramError('discovery_failed', `${sourceName}: asking ${where} for ${what} ${name}: ${why}`, { hint, details: { name, servers }, ...(questions.cause !== undefined && { cause: questions.cause }) });
}

interface ServiceRecord {
  readonly name: string;
  readonly port: number;
}

interface FoundAddresses {
  readonly addresses: readonly string[];
  /** The shortest. */
  readonly ttlSeconds: number | undefined;
  readonly problems: readonly string[];
}

type Outcome<Records> = { readonly ok: true; readonly records: Records } | { readonly ok: false; readonly error: string };

const notFound = 'the name does not exist (NXDOMAIN)';
const reasons: Readonly<Record<string, string>> = {
  ENOTFOUND: notFound,
  ESERVFAIL: 'the server failed (SERVFAIL)',
  EREFUSED: 'the server refuses to answer (REFUSED)',
  EFORMERR: 'the server does not understand the question (FORMERR)',
  EBADRESP: 'the answer cannot be understood',
  EBADNAME: 'the name is malformed',
  ECONNREFUSED: 'nothing listens there',
  ETIMEOUT: 'no answer in time',
  ECANCELLED: 'no answer in time',
};

/**
 * The questions of one look-up. They share a resolver of their own, because only a resolver can be cancelled, with
 * everything it was asked; and a deadline of their own, because that of c-ares is not kept to the millisecond. It lies before
 * the limit of the look-up, so that what was answered by then is not lost with what was not.
 */
class Questions {
  readonly #settings: Settings;
  readonly #signal: AbortSignal;
  readonly #resolver: Resolver;
  readonly #deadline: NodeJS.Timeout;
  readonly #cancel = (): void => {
    this.#isOver = true;
    this.#resolver.cancel();
    this.#queue.splice(0).forEach((go) => go());
    this.#onOver();
  };
  readonly #over: Promise<void>;
  #onOver: () => void = () => undefined;
  #isOver = false;
  #running = 0;
  readonly #queue: (() => void)[] = [];
  /** The last error of the resolver. */
  cause: unknown;

  constructor(settings: Settings, signal: AbortSignal) {
    this.#settings = settings;
    this.#signal = signal;
    // A lost datagram is made up for within the limit.
    this.#resolver = new Resolver({ timeout: Math.max(50, Math.floor(settings.timeoutMs / 4)), tries: 3 });
    if (settings.servers) this.#resolver.setServers(settings.servers);
    this.#over = new Promise((resolve) => (this.#onOver = resolve));
    this.#deadline = setTimeout(this.#cancel, settings.timeoutMs * 0.9);
    signal.addEventListener('abort', this.#cancel, { once: true });
  }

  end(): void {
    clearTimeout(this.#deadline);
    this.#signal.removeEventListener('abort', this.#cancel);
  }

  services(name: string): Promise<Outcome<readonly ServiceRecord[]>> {
    return this.#ask(() => this.#resolver.resolveSrv(name));
  }

  async addresses(name: string): Promise<FoundAddresses> {
    const outcomes = await Promise.all([this.#ask(() => this.#resolver.resolve4(name, { ttl: true })), this.#ask(() => this.#resolver.resolve6(name, { ttl: true }))]);
    const records = outcomes.flatMap((outcome) => (outcome.ok ? outcome.records : []));
    const ttlSeconds = records.length > 0 ? records.reduce((least, { ttl }) => Math.min(least, ttl), Infinity) : undefined;
    return { addresses: records.map(({ address }) => address), ttlSeconds, problems: [...new Set(outcomes.flatMap((outcome) => (outcome.ok ? [] : [outcome.error])))] };
  }

  /** What the hosts file and the search list make of the name; nothing when they do not know it either, or take too long. */
  async byMachine(name: string): Promise<readonly string[]> {
    const { lookup } = this.#settings;
    if (!lookup || this.#isOver) return [];
    return Promise.race([lookup(name).catch(() => []), this.#over.then(() => [])]);
  }

  async #ask<T>(question: () => Promise<T[]>): Promise<Outcome<readonly T[]>> {
    if (this.#running >= questionsMax) await new Promise<void>((resolve) => this.#queue.push(resolve));
    if (this.#isOver) return { ok: false, error: reasons.ECANCELLED ?? '' };
    this.#running += 1;
    try {
      return { ok: true, records: await question() };
    } catch (error) {
      const code = String((error as NodeJS.ErrnoException | undefined)?.code);
      if (code === 'ENODATA') return { ok: true, records: [] };
      this.cause = error;
      return { ok: false, error: reasons[code] ?? code };
    } finally {
      this.#running -= 1;
      this.#queue.shift()?.();
    }
  }
}

function dnsServer(text: string, i: number): string {
  const server = parseEndpoint(text, `resolver[${i}]`, 53);
  if (familyOf(server.host) === 0) throw new OptionsError(`resolver[${i}]`, `must be the address of a DNS server, not a name; got ${shown(text)}`);
  return spelled(server);
}
