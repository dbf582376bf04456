/**
 * The kinds of value a key can have. Each is a zod schema that reads what TOML gives, together with how the kind is
 * described, printed, and read from the text of a variable or a flag.
 */
import { EngramError, parseClusterId, parseDuration, parseNodeId } from '@engram/kernel';
import { z } from 'zod';
import { formatAddress, isDnsName, parseAddress, type Address } from './address.js';
import { formatDuration, formatSize, parseSize } from './sizes.js';
import { bareName, firstOf, nearestOf, wholeAddress } from './suggestions.js';

export interface KeyInfo {
  readonly kind: 'text' | 'boolean' | 'number' | 'duration' | 'size' | 'address' | 'list';
  readonly description: string;
  /** The rule as the end of the sentence "the value …", e.g. `must be a whole number from 1 to 64`. */
  readonly rule: string;
  /** As one would write it in the file; undefined when the key has none. */
  readonly written: unknown;
  /** Never printed, logged or put into an error. */
  readonly secret: boolean;
  /** What to write instead of a value that breaks the rule, where a person's intention can be guessed. */
  readonly suggest?: (written: unknown) => string | undefined;
}

/** What every kind of key may say about itself besides its own bounds. */
interface Common {
  readonly description: string;
  readonly secret?: boolean;
}

/** zod schemas are the keys of this map, so the schema stays one plain zod object and yet knows how to explain itself. */
const infoOf = new WeakMap<z.ZodType, KeyInfo>();

export function keyInfo(schema: z.ZodType): KeyInfo | undefined {
  return infoOf.get(schema);
}

export function boolean(options: Common & { readonly default: boolean }) {
  const rule = 'must be true or false';
  return described(z.boolean({ error: rule }).prefault(options.default), 'boolean', rule, options);
}

export function wholeNumber(options: Common & { readonly default: number; readonly min: number; readonly max: number }) {
  const rule = `must be a whole number from ${options.min} to ${options.max}`;
  const schema = z.number({ error: rule }).int(rule).min(options.min, rule).max(options.max, rule);
  return described(schema.prefault(options.default), 'number', rule, options);
}

export function optionalWholeNumber(options: Common & { readonly min: number; readonly max: number }) {
  const rule = `must be a whole number from ${options.min} to ${options.max}`;
  const schema = z.number({ error: rule }).int(rule).min(options.min, rule).max(options.max, rule);
  return described(schema.optional(), 'number', rule, options);
}

/** Milliseconds. Written `"30s"`, `"250ms"`, `"24h"`, or as a number of milliseconds. */
export function duration(options: Common & { readonly default: string; readonly minMs: number; readonly maxMs: number }) {
  const rule = `must be a duration from ${formatDuration(options.minMs)} to ${formatDuration(options.maxMs)}, such as "${options.default}" or a number of milliseconds`;
  const schema = z.preprocess((written) => millisecondsOf(written), z.number({ error: rule }).int(rule).min(options.minMs, rule).max(options.maxMs, rule));
  return described(schema.prefault(options.default), 'duration', rule, options);
}

/** As {@link duration}, for a key whose absence means that a preset decides. */
export function optionalDuration(options: Common & { readonly minMs: number; readonly maxMs: number }) {
  const rule = `must be a duration from ${formatDuration(options.minMs)} to ${formatDuration(options.maxMs)}, such as "500ms" or a number of milliseconds`;
  const schema = z.preprocess((written) => millisecondsOf(written), z.number({ error: rule }).int(rule).min(options.minMs, rule).max(options.maxMs, rule).optional());
  return described(schema, 'duration', rule, options);
}

/** Bytes. Written `"64MiB"`, `"10MB"`, or as a number of bytes. */
export function size(options: Common & { readonly default: string; readonly min: string; readonly max: string }) {
  const rule = `must be a size from ${options.min} to ${options.max}, such as "${options.default}" or a number of bytes`;
  const bytesOf = (written: unknown) => (typeof written === 'string' || typeof written === 'number' ? parseSize(written) : undefined);
  const schema = z.preprocess(bytesOf, z.number({ error: rule }).min(parseSize(options.min)!, rule).max(parseSize(options.max)!, rule));
  return described(schema.prefault(options.default), 'size', rule, options);
}

export function choice<const T extends string>(options: Common & { readonly default: T; readonly of: readonly T[]; readonly because?: string }) {
  const rule = `must be ${oneOf(options.of)}${options.because === undefined ? '' : `: ${options.because}`}`;
  return described(z.enum(options.of, { error: rule }).prefault(options.default), 'text', rule, options, (written) => nearestOf(written, options.of));
}

export function address(options: Common & { readonly default: string; readonly like?: string }) {
  const rule = addressRule(options.like);
  return described(addressText(rule).prefault(options.default), 'address', rule, options, (written) => wholeAddress(written, options.like));
}

export function optionalAddress(options: Common & { readonly like?: string }) {
  const rule = addressRule(options.like);
  return described(addressText(rule).optional(), 'address', rule, options, (written) => wholeAddress(written, options.like));
}

/** A name that DNS can be asked for: no address, no port. */
export function optionalDnsName(options: Common) {
  const rule = 'must be a DNS name such as "_engram._tcp.cluster.local" or "engram-headless"';
  return described(z.string({ error: rule }).refine(isDnsName, rule).optional(), 'text', rule, options, bareName);
}

/** The short names that Kubernetes and AWS give to things. */
export function optionalName(options: Common & { readonly like: string; readonly most: number }) {
  const rule = `must be 1 to ${options.most} of a-z 0-9 and -, such as "${options.like}"`;
  const schema = z.string({ error: rule }).max(options.most, rule).regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/, rule);
  return described(schema.optional(), 'text', rule, options);
}

/** The path of a file that holds the secret of the key named `of`, as Docker and Kubernetes mount them. */
export function secretFile(options: { readonly of: string; readonly content?: string }) {
  const description = `A file ${options.content ?? 'whose text it is'}, instead of \`${options.of}\`; read once, at the start. White space around it does not count.`;
  const rule = 'must be the path of a file';
  return described(plainText(rule).optional(), 'text', rule, { description });
}

export function directory(options: Common & { readonly default: string }) {
  const rule = 'must be the path of a directory';
  return described(plainText(rule).prefault(options.default), 'text', rule, options);
}

/** Text without control characters. Absent unless written. */
export function optionalText({ lengthMax = 1_024, ...options }: Common & { readonly lengthMax?: number }) {
  const rule = `must be text of 1 to ${lengthMax} characters without control characters`;
  return described(plainText(rule, lengthMax).optional(), 'text', rule, options);
}

export function text(options: Common & { readonly default: string }) {
  const rule = 'must be text of 1 to 1024 characters without control characters';
  return described(plainText(rule).prefault(options.default), 'text', rule, options);
}

export function optionalNodeId(options: Common) {
  const rule = 'must be 1 to 64 of A-Z a-z 0-9 . _ - and not start with a dot';
  return described(parsedText(parseNodeId, rule).optional(), 'text', rule, options);
}

export function clusterId(options: Common & { readonly default: string }) {
  const rule = 'must be 1 to 64 of A-Z a-z 0-9 . _ - and not start with a dot';
  return described(parsedText(parseClusterId, rule).prefault(options.default), 'text', rule, options);
}

export function choices<const T extends string>(options: Common & { readonly of: readonly T[] }) {
  const rule = `must be a list of ${oneOf(options.of)}`;
  const suggest = (written: unknown) => firstOf(written, (item) => (options.of.includes(item as T) ? undefined : nearestOf(item, options.of)));
  return described(z.array(z.enum(options.of, { error: rule }), { error: rule }).prefault([]), 'list', rule, options, suggest);
}

export function addresses(options: Common) {
  const rule = 'must be a list of addresses such as "engram-1:7946"';
  const suggest = (written: unknown) => {
    if (typeof written === 'string') return 'Write it as a list, in brackets.';
    return firstOf(written, (item) => (typeof item === 'string' && parseAddress(item) === undefined ? wholeAddress(item, 'engram-1:7946') : undefined));
  };
  return described(z.array(addressText(rule), { error: rule }).prefault([]), 'list', rule, options, suggest);
}

/** URLs without path and credentials. A bare `host:port` is one of plain HTTP. */
export function endpoints(options: Common) {
  const rule = 'must be a list of endpoints such as "http://10.0.0.5:2379", without a path and without credentials';
  const schema = z.string({ error: rule }).transform((written, context): string => {
    const [, scheme = 'http', rest = ''] = /^(?:(https?):\/\/)?(.*?)\/?$/.exec(written) ?? [];
    const parsed = parseAddress(rest);
    if (parsed !== undefined && parsed.port > 0) return `${scheme}://${formatAddress(parsed)}`;
    context.addIssue(rule);
    return z.NEVER;
  });
  return described(z.array(schema, { error: rule }).prefault([]), 'list', rule, options);
}

export function texts(options: Common) {
  const rule = 'must be a list of text';
  return described(z.array(plainText(rule), { error: rule }).prefault([]), 'list', rule, options);
}

/** A checked value as one would write it in the file. */
export function formatValue(info: KeyInfo, value: unknown): string {
  if (value === undefined) return '(not set)';
  if (info.secret) return '(secret)';
  if (info.kind === 'duration') return `"${formatDuration(value as number)}"`;
  if (info.kind === 'size') return `"${formatSize(value as number)}"`;
  if (info.kind === 'address') return `"${formatAddress(value as Address)}"`;
  if (info.kind === 'list') return `[${(value as unknown[]).map((item) => (typeof item === 'string' ? JSON.stringify(item) : `"${formatAddress(item as Address)}"`)).join(', ')}]`;
  return JSON.stringify(value);
}

/**
 * What the text of a variable or flag means for a key of this kind. Text that does not fit the kind is handed on as it
 * is, so that the schema refuses it in the same words as it would the file's.
 */
export function readText(kind: KeyInfo['kind'], written: string): unknown {
  const trimmed = written.trim();
  switch (kind) {
    case 'boolean':
      return trimmed === 'true' || trimmed === '1' ? true : trimmed === 'false' || trimmed === '0' ? false : written;
    case 'number':
    case 'duration':
    case 'size':
      return /^-?\d+(\.\d+)?$/.test(trimmed) ? Number(trimmed) : trimmed;
    case 'list':
      return trimmed === '' ? [] : trimmed.split(',').map((item) => item.trim());
    case 'text':
    case 'address':
      return trimmed;
  }
}

function addressRule(like?: string): string {
  return `must be an address such as ${like === undefined ? '"127.0.0.1:7432" or "[::1]:7432"' : `"${like}"`}`;
}

function addressText(rule: string) {
  return z.string({ error: rule }).transform((written, context): Address => {
    const parsed = parseAddress(written);
    if (parsed !== undefined) return parsed;
    context.addIssue(rule);
    return z.NEVER;
  });
}

function plainText(rule: string, lengthMax = 1_024) {
  return z.string({ error: rule }).min(1, rule).max(lengthMax, rule).regex(/^[^\u0000-\u001f\u007f]*$/, rule);
}

function parsedText<T>(parse: (text: string) => T, rule: string) {
  return z.string({ error: rule }).transform((written, context): T => {
    try {
      return parse(written);
    } catch (error) {
      if (!(error instanceof EngramError)) throw error;
      context.addIssue(rule);
      return z.NEVER;
    }
  });
}

function millisecondsOf(written: unknown): unknown {
  if (typeof written !== 'string') return written;
  try {
    return parseDuration(written);
  } catch {
    return Number.NaN;
  }
}

function oneOf(values: readonly string[]): string {
  const quoted = values.map((value) => `"${value}"`);
  return quoted.length < 2 ? quoted.join('') : `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}

function described<S extends z.ZodType>(schema: S, kind: KeyInfo['kind'], rule: string, options: Common & { readonly default?: unknown }, suggest?: KeyInfo['suggest']): S {
  const written = options.default ?? (kind === 'list' ? [] : undefined);
  infoOf.set(schema, { kind, rule, description: options.description, written, secret: options.secret ?? false, ...(suggest === undefined ? {} : { suggest }) });
  return schema;
}
