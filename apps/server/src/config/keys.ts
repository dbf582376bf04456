import { z } from 'zod';
import { configSchema } from './schema.js';
import { keyInfo, type KeyInfo } from './values.js';

export interface Key extends KeyInfo {
  /** `server.http_bind` */
  readonly path: string;
  /** `ENGRAM_SERVER_HTTP_BIND` */
  readonly variable: string;
  readonly schema: z.ZodType;
}

/** Every key by its path, in the order of the schema. */
export const keys: ReadonlyMap<string, Key> = new Map(keysIn(configSchema, '').map((key) => [key.path, key]));

/** Every table, so that `[cluster.swim]` is told from a misspelled key. */
export const tables: ReadonlySet<string> = new Set([...keys.keys()].flatMap(tablesAbove));

/** The environment variable of a path: `ENGRAM_` and the path in capitals, joined by `_`. */
export function variableOf(path: string): string {
  return `ENGRAM_${path.toUpperCase().replaceAll('.', '_')}`;
}

function keysIn(table: z.ZodObject, prefix: string): Key[] {
  return Object.entries(table.shape).flatMap(([name, schema]): Key[] => {
    const path = prefix === '' ? name : `${prefix}.${name}`;
    if (schema instanceof z.ZodObject) return keysIn(schema, path);
    const info = keyInfo(schema as z.ZodType);
    if (info === undefined) throw new Error(`the schema describes no key at ${path}; build it with one of the kinds of values.ts`);
    return [{ ...info, path, variable: variableOf(path), schema: schema as z.ZodType }];
  });
}

/** `a.b.c` lies in the tables `a` and `a.b`. */
export function tablesAbove(path: string): string[] {
  const words = path.split('.');
  return words.slice(1).map((_, i) => words.slice(0, i + 1).join('.'));
}
