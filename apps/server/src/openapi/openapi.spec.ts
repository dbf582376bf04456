import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import type {} from '@fastify/swagger';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { httpNode, type HttpNode } from '../../test/http-node.js';
import { createHttpServer, type HttpEngine } from '../http/index.js';
import { ServerMetrics } from '../metrics/index.js';

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Readonly<Record<string, { readonly schema: object }>> }>>;
}
interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

let node: HttpNode;
let document: Document;
beforeAll(async () => {
  node = await httpNode();
  document = (await node.server.inject('/api/v1/openapi.json')).json<Document>();
});
afterAll(() => node.close());

const operations = (): [string, Operation][] =>
  Object.entries(document.paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, operation]): [string, Operation] => [`${method.toUpperCase()} ${path}`, operation]));

test('the document is valid OpenAPI 3.1', async () => {
  const result = await new Validator().validate(structuredClone(document) as unknown as Record<string, unknown>);
  expect(result.errors ?? []).toEqual([]);
  expect(result.valid).toBe(true);
  expect(document.openapi).toBe('3.1.0');
  expect(document.info.version).toBe('0.0.0-test');
});

test('every route of the server is in the document', async () => {
  const routes: string[] = [];
  const server = createHttpServer({
    engine: node.engine satisfies HttpEngine,
    log: pino({ level: 'silent' }),
    metrics: new ServerMetrics('0'),
    onShutdownRequested: () => undefined,
  });
  server.addHook('onRoute', ({ method, url, schema }) => {
    if (schema?.hide === true) return;
    for (const name of [method].flat()) if (name !== 'HEAD') routes.push(`${name} ${url.replace(/:(\w+)/g, '{$1}')}`);
  });
  await server.ready();
  await server.close();
  expect(routes.length).toBeGreaterThan(15);
  expect(operations().map(([route]) => route).sort()).toEqual(routes.sort());
});

test('every operation has its own id, a summary, a description of each answer and the error shape for what goes wrong', () => {
  const ids = operations().map(([, { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [route, { summary, responses }] of operations()) {
    expect(summary, route).toBeTruthy();
    const statuses = Object.keys(responses);
    expect(statuses, route).toEqual(expect.arrayContaining(['400', '500']));
    expect(statuses.some((status) => status.startsWith('2')), route).toBe(true);
    for (const [status, { description, content }] of Object.entries(responses)) {
      expect(description, `${route} ${status}`).not.toBe('Default Response');
      if (status < '400' || content?.['application/json'] === undefined) continue;
      const { schema } = content['application/json'];
      expect(['#/components/schemas/Error', '#/components/schemas/Health', '#/components/schemas/Readiness'], `${route} ${status}`).toContain(
        (schema as { $ref: string }).$ref,
      );
    }
  }
});

test('shared shapes have their own names', () => {
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining(['Memory', 'MemoryDraft', 'Error', 'RecallAnswer', 'Durability']));
  expect(Object.keys(document.components.schemas).filter((name) => name.startsWith('def-') || name.startsWith('schema-'))).toEqual([]);
});

test('docs/openapi.json is what the server says (UPDATE=1 rewrites it)', () => {
  const path = fileURLToPath(new URL('../../../../docs/openapi.json', import.meta.url));
  // The version changes with each release and the bounds with the configuration; neither makes the file stale.
  const text = `${JSON.stringify({ ...document, info: { ...document.info, version: '1' } }, null, 2)}\n`;
  if (process.env['UPDATE']) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  expect(readFileSync(path, 'utf8')).toBe(text);
});

test('the page at /docs takes all its files from the server itself', async () => {
  const page = await node.server.inject({ url: '/docs', headers: { accept: 'text/html' } });
  const { body } = page.statusCode === 302 ? await node.server.inject(String(page.headers.location)) : page;
  const sources = [...body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, source]) => source ?? '');
  expect(sources.length).toBeGreaterThan(3);
  for (const source of sources) {
    expect(source).not.toMatch(/^(?:https?:)?\/\//);
    const file = await node.server.inject(new URL(source, 'http://localhost/docs/').pathname);
    expect([source, file.statusCode]).toEqual([source, 200]);
  }
  const settings = await node.server.inject('/docs/static/swagger-initializer.js');
  expect(settings.body).toContain('"validatorUrl":null');
});
