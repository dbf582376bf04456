import { EngramError, shown } from '@engram/kernel';
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { nearest } from '../config/nearest.js';

/** What the message calls each part of a request. */
const partNames: Readonly<Record<string, string>> = { body: 'body', querystring: 'query', params: 'path', headers: 'headers' };

const common: Options = {
  // One complaint is enough to act on, and checking on after it would let a large bad body cost more than a good one.
  allErrors: false,
  removeAdditional: false,
  useDefaults: false,
  // Keeps the offending value and schema beside each error; costs nothing until there is one.
  verbose: true,
  strict: true,
  strictTypes: false,
  // Times are parsed by `parseWhen`, whose message is better than a format's.
  formats: { 'date-time': true },
};

export interface RequestValidators {
  /** Compiles a schema for one part of a request. */
  compile(schema: object, httpPart: string | undefined): ValidateFunction;
}

/**
 * Made once per server: compiling takes a noticeable part of the time a node needs to start, and what is compiled is kept.
 * Bodies say what they mean in JSON, so nothing is coerced there; queries, paths and headers are all text, so they are.
 */
export function requestValidators(sharedSchemas: Iterable<object>): RequestValidators {
  const strict = new Ajv(common);
  // Coercion makes `1e400` infinite after the type was checked; without strict numbers the bounds still see it.
  const coercing = new Ajv({ ...common, coerceTypes: 'array', strictNumbers: false });
  for (const schema of sharedSchemas) strict.addSchema(schema);
  return {
    compile: (schema, httpPart) => (httpPart === 'body' ? strict : coercing).compile(schema),
  };
}

/** The first thing wrong with a part of a request, as an error that names the place, the rule and what was there. */
export function validationError(errors: readonly Partial<ErrorObject>[] | null | undefined, part: string): EngramError {
  const where = partNames[part] ?? part;
  // The last error of a failed choice is the choice itself; those before it are about each of its alternatives.
  const error = errors?.at(-1) ?? {};
  const { keyword, params = {}, data, parentSchema } = error as ErrorObject;
  const path = error.instancePath ?? '';
  // The framework hands over null for a body that is not there.
  const found = where === 'body' && path === '' && data === null ? 'nothing' : typeName(data);
  const at = path === '' ? `the ${where}` : where === 'body' ? `the body at ${shortPath(path)}` : `${where} field ${shortPath(path.slice(1))}`;
  const details = { part: where, pointer: shortPath(path) };
  const fail = (complaint: string): EngramError => new EngramError('invalid_argument', `${at} ${complaint}`, { details, hint: hintFor(path, where) });

  switch (keyword) {
    case 'additionalProperties': {
      const field = String((params as { additionalProperty?: unknown }).additionalProperty);
      return unknownField(at, field, Object.keys((parentSchema as { properties?: object } | undefined)?.properties ?? {}), details);
    }
    case 'required':
      return fail(`needs the field ${shown((params as { missingProperty: string }).missingProperty)}`);
    case 'type':
      return fail(`must be ${typeText((params as { type: string | string[] }).type)}; got ${found}`);
    case 'enum':
      return fail(`must be one of ${(params as { allowedValues: unknown[] }).allowedValues.join(', ')}; got ${found}`);
    case 'anyOf':
      return fail(`must be ${(parentSchema as { description?: string }).description ?? 'one of the documented forms'}; got ${found}`);
    case 'minimum':
    case 'maximum': {
      const { minimum, maximum } = (parentSchema ?? {}) as { minimum?: number; maximum?: number };
      return fail(`must be from ${minimum ?? '-∞'} to ${maximum ?? '∞'}; got ${found}`);
    }
    case 'minLength':
      return fail('must not be empty');
    case 'minItems':
      return fail(`must have at least ${(params as { limit: number }).limit} item`);
    case 'maxItems':
      return fail(`has ${Array.isArray(data) ? data.length : 'too many'} items; at most ${(params as { limit: number }).limit} are possible`);
    default:
      return fail(error.message ?? 'is not as documented');
  }
}

function unknownField(at: string, field: string, known: readonly string[], details: Record<string, unknown>): EngramError {
  const meant = nearest(field.slice(0, 128), known);
  const hint = meant === undefined ? `Remove it. Known here: ${known.join(', ') || 'none'}.` : `Did you mean ${meant}?`;
  return new EngramError('unknown_field', `${at} has the unknown field ${shown(field)}`, { hint, details: { ...details, field: field.slice(0, 128) } });
}

function hintFor(path: string, where: string): string {
  const what = path === '' ? `the ${where}` : shortPath(path);
  return `Correct ${what} and send the request again; /docs describes every field.`;
}

function typeText(type: string | string[]): string {
  const names: Readonly<Record<string, string>> = { string: 'a string', number: 'a number', integer: 'a whole number', boolean: 'true or false', array: 'an array', object: 'an object', null: 'null' };
  return [type].flat().map((name) => names[name] ?? name).join(' or ');
}

/** What was there, shortened: enough to recognise it, too little to flood an answer or to walk into deep nesting. */
function typeName(data: unknown): string {
  if (data === undefined) return 'nothing';
  return typeof data === 'string' ? `the string ${shown(data)}` : typeof data === 'number' ? `the number ${data}` : shown(data);
}

/** A path is built of the client's own keys, so it may be as long as the body. */
function shortPath(path: string): string {
  const cut = path.length > 120 ? `${path.slice(0, 117)}…` : path;
  return cut.replace(/[^\x20-\x7e…]/g, '?');
}
