import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** A request as it arrived, for tests to look at. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** What to answer: by hand on the response, which lets a script hang, break off or stream. */
export type Script = (asked: Asked, response: ServerResponse, count: number) => void;

/**
 * An HTTP server on loopback that plays a script, standing in for registries that no test machine runs. What it is made
 * to say follows the registries' own documentation; what it is made to do wrong is what servers do on bad days.
 */
export class ScriptedServer implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(script: Script, tls?: { readonly cert: string; readonly key: string }): Promise<ScriptedServer> {
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      let body = '';
      request.setEncoding('utf8');
      request.on('data', (part: string) => (body += part));
      request.on('end', () => {
        const url = new URL(request.url ?? '/', 'http://scripted');
        const asked = { method: request.method ?? '', path: url.pathname, query: url.searchParams, headers: request.headers, body };
        scripted.asked.push(asked);
        script(asked, response, scripted.asked.length);
      });
    };
    const server = tls === undefined ? createServer(answer) : createSecureServer(tls, answer);
    const scripted = new ScriptedServer(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return scripted;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function sendJson(response: ServerResponse, value: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

/** Promises more than it sends, then drops the connection. */
export function sendHalf(response: ServerResponse, text: string): void {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': String(text.length) });
  response.write(text.slice(0, text.length / 2), () => response.socket?.destroy());
}

/** Sends more bytes than any answer may have, without end. */
export function sendWithoutEnd(response: ServerResponse): void {
  const part = `"${'x'.repeat(1_024 * 1_024)}",`;
  response.writeHead(200, { 'content-type': 'application/json' }).write('[');
  const more = (): void => {
    while (!response.destroyed && response.write(part));
    if (!response.destroyed) response.once('drain', more);
  };
  more();
}

/** A port on loopback that nothing listens on. */
export async function closedPort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A signal that never aborts, for calls that are to end by themselves. */
export const forever: { readonly signal: AbortSignal } = { signal: new AbortController().signal };
