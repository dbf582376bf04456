import { request as requestPlain, type Agent, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import { request as requestSecure, type RequestOptions } from 'node:https';
import { EngramError, shown } from '@engram/kernel';

/** Bytes of one answer, and of one line of a stream, that are read before the answer is refused: 8 MiB. */
export const answerBytesMax = 8 * 1_024 * 1_024;

/** How the other side is recognised and how this side shows itself. PEM texts, not paths. */
export interface TlsOptions {
  /** Certificate authorities to trust. @default those of Node */
  readonly ca?: string;
  /** Client certificate. */
  readonly cert?: string;
  /** Key of the client certificate. */
  readonly key?: string;
  /** The name that the server's certificate must carry. @default the host of the address */
  readonly servername?: string;
}

/** One request to the API of a registry, with everything that bounds it. */
export interface HttpCall {
  /** The source that asks, as messages name it. */
  readonly source: string;
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly tls?: TlsOptions & Pick<RequestOptions, 'pfx' | 'passphrase' | 'rejectUnauthorized'>;
  /** Where a proxy is in the way. @default a connection of its own, closed after the answer */
  readonly agent?: Agent;
  readonly signal: AbortSignal;
  /** The longest pause between two bytes, in milliseconds: what notices a server that hangs while it holds the connection. */
  readonly silenceMsMax: number;
  /** Texts that must not reach a message even if the server sends them back. */
  readonly secrets?: readonly string[];
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface HttpLines {
  readonly status: number;
  /** The lines of the body as they come. Throws where the body breaks off. Leaving the loop closes the connection. */
  readonly lines: AsyncGenerator<string, void>;
}

/** Asks and reads the whole answer, whatever its status. */
export async function callHttp(call: HttpCall): Promise<HttpAnswer> {
  const message = await send(call);
  let text = '';
  let bytes = 0;
  for await (const part of bodyOf(call, message)) {
    text += part;
    bytes += Buffer.byteLength(part);
    if (bytes > answerBytesMax) throw tooLarge(call, 'answer');
  }
  return { status: message.statusCode ?? 0, headers: message.headers, text };
}

/** Asks for a body that does not end: a watch. A refusal comes as lines, too; see `textOf`. */
export async function openLines(call: HttpCall): Promise<HttpLines> {
  const message = await send(call);
  return { status: message.statusCode ?? 0, lines: linesOf(call, message) };
}

/** All the lines of a short body, as of a refusal. */
export async function textOf(call: HttpCall, lines: AsyncIterable<string>): Promise<string> {
  let text = '';
  for await (const line of lines) {
    text += `${line}\n`;
    if (Buffer.byteLength(text) > answerBytesMax) throw tooLarge(call, 'answer');
  }
  return text;
}

/** JSON, or the refusal of a source that answers with something else. */
export function parseJson(call: HttpCall, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    const what = text.length === 0 ? 'nothing' : `${text.length} characters that are not JSON: ${excerpt(call, text)}`;
    throw failed(call, `answered with ${what}`, 'Check that the address is that of the API, not of a proxy or a web page.');
  }
}

/** The refusal of a status that is not the awaited one; `hints` say what to do about those that have a known cause. */
export function refused(call: HttpCall, status: number, text: string, hints: Readonly<Record<number, string>> = {}): EngramError {
  const hint = hints[status] ?? (status >= 500 ? `Look at the log of the server; it is asked again by itself.` : undefined);
  const said = text.trim() === '' ? '' : `: ${excerpt(call, text.trim())}`;
  return failed(call, `was answered with status ${status}${said}`, hint, { status });
}

/** A failure of the call: who asked what, where, and what came of it. The query of the address is left out, as it may be long. */
export function failed(call: HttpCall, outcome: string, hint?: string, details: Readonly<Record<string, unknown>> = {}): EngramError {
  const message = `${call.source}: ${call.method} ${placeOf(call.url)} ${outcome}`;
  return new EngramError('discovery_failed', message, { ...(hint === undefined ? {} : { hint }), details: { source: call.source, ...details } });
}

function placeOf(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}`;
}

function excerpt(call: HttpCall, text: string): string {
  return shown(withoutSecrets(text, call.secrets ?? []));
}

/** The text with each secret replaced, for servers and libraries that repeat what they were sent. */
export function withoutSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((rest, secret) => (secret === '' ? rest : rest.replaceAll(secret, '***')), text);
}

function send(call: HttpCall): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    if (call.signal.aborted) return reject(explain(call, undefined));
    const body = call.body === undefined ? undefined : Buffer.from(call.body);
    const options: RequestOptions = {
      ...call.tls,
      method: call.method,
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json', 'content-length': body.length }), ...call.headers },
      // A connection per call: a kept one may be half dead when it is used next, half a minute later.
      agent: call.agent ?? false,
      signal: call.signal,
      timeout: call.silenceMsMax,
    };
    const request = (call.url.protocol === 'https:' ? requestSecure : requestPlain)(call.url, options);
    let answer: IncomingMessage | undefined;
    request.on('timeout', () => {
      const silence = failed(call, `was met with silence for ${call.silenceMsMax} ms`, 'Check that the server is not overloaded and that no firewall drops packets.');
      // An answer that has begun would otherwise only learn that its connection was closed.
      answer?.destroy(silence);
      request.destroy(silence);
    });
    request.on('socket', (socket) => socket.setKeepAlive(true, 30_000));
    // Stays for the life of the request: an error after the answer began must not go unhandled.
    request.on('error', (error) => reject(explain(call, error)));
    request.on('response', (message) => resolve((answer = message)));
    request.end(body);
  });
}

async function* bodyOf(call: HttpCall, message: IncomingMessage): AsyncGenerator<string, void> {
  message.setEncoding('utf8');
  try {
    for await (const part of message) yield part as string;
  } catch (error) {
    throw explain(call, error as Error, ' in the middle of the answer');
  }
}

async function* linesOf(call: HttpCall, message: IncomingMessage): AsyncGenerator<string, void> {
  let rest = '';
  let restBytes = 0;
  for await (const part of bodyOf(call, message)) {
    const [first = '', ...lines] = part.split('\n');
    restBytes += Buffer.byteLength(first);
    if (restBytes > answerBytesMax) throw tooLarge(call, 'line');
    rest += first;
    for (const line of lines) {
      if (rest.trim() !== '') yield rest;
      [rest, restBytes] = [line, Buffer.byteLength(line)];
    }
  }
  if (rest.trim() !== '') yield rest;
}

function tooLarge(call: HttpCall, what: string): EngramError {
  return failed(call, `brought more than ${answerBytesMax} bytes in one ${what}`, 'Narrow the look-up by a tag, a prefix or a label.');
}

/** The errors of the network in words. Only the code and the text of an error are kept: what hangs on it may hold headers. */
function explain(call: HttpCall, error: (Error & { code?: string }) | undefined, where = ''): EngramError {
  if (error instanceof EngramError) return error;
  if (call.signal.aborted) return failed(call, `was given up before it was answered`, 'Check that the server answers, or allow the source more time.');
  const code = error?.code ?? '';
  return failed(call, `failed${where}: ${causeOf(code, error)}`, hintOf(code), code === '' ? {} : { code });
}

function causeOf(code: string, error: Error | undefined): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'the connection was refused';
    case 'ECONNRESET':
      return 'the connection was closed by the other side';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name does not resolve (${code})`;
    default:
      return shown(error?.message ?? 'unknown');
  }
}

const tlsCode = /CERT|TLS|SSL|^UNABLE_TO|^EPROTO$|^HPE_/;

function hintOf(code: string): string {
  if (tlsCode.test(code)) return 'Check that both sides mean the same of http and https, and that the certificate authority is given.';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return 'Check the spelling of the host and the resolver of this machine.';
  return 'Check that the address is right and that the server runs.';
}
