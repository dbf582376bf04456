/** Load over HTTP/1.1 from as many connections as asked for, each with one request under way at a time. */
import { connect, type Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { AnswerReader } from './answer-reader.js';
import { LatencyHistogram } from './histogram.js';

export interface HttpLoad {
  readonly url: string;
  readonly path: string;
  /** Sent in turn, over and over. */
  readonly bodies: readonly Buffer[];
  readonly connections: number;
  /** Any other status ends the load with an error: refusals are fast and would pass for speed. */
  readonly expectStatus: number;
  /** No new request is sent after `forMs`, or once `requests` were sent; every answer is waited for. One of the two. */
  readonly forMs?: number;
  readonly requests?: number;
  /** Where to record latencies. @default a new histogram */
  readonly latency?: LatencyHistogram;
  /** Looks into an answer that came; throws to end the load. The body is valid only during the call. */
  readonly check?: (body: Buffer) => void;
}

export interface LoadResult {
  /** Answers received, all with the expected status. */
  readonly answers: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly latency: LatencyHistogram;
}

const READ_BUFFER_BYTES = 65_536;

/**
 * A closed loop: the next request of a connection is sent when the answer of the one before has come, so a slow server
 * is asked less often. The latencies are those of clients that wait, not those of arrivals at a fixed rate.
 */
export async function runHttpLoad(load: HttpLoad): Promise<LoadResult> {
  if ((load.forMs === undefined) === (load.requests === undefined)) throw new Error('a load ends after a time or after a number of requests');
  const requests = load.bodies.map((body) => requestBytes(load, body));
  const latency = load.latency ?? new LatencyHistogram();
  const began = performance.now();
  const deadline = load.forMs === undefined ? Infinity : began + load.forMs;
  let left = load.requests ?? Infinity;
  let sent = 0;
  let answers = 0;
  const nextRequest = (now: number): Buffer | undefined => {
    if (now >= deadline || left <= 0) return undefined;
    left -= 1;
    return requests[sent++ % requests.length];
  };
  await Promise.all(Array.from({ length: load.connections }, () => runConnection(load, nextRequest, (ms) => {
    answers += 1;
    latency.record(ms);
  })));
  const seconds = (performance.now() - began) / 1_000;
  return { answers, seconds, perSecond: answers / seconds, latency };
}

function requestBytes({ url, path }: HttpLoad, body: Buffer): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

function runConnection(load: HttpLoad, nextRequest: (now: number) => Buffer | undefined, answered: (ms: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    let sentAt = 0;
    const fail = (error: Error): void => {
      socket.destroy();
      reject(error);
    };
    const sendNext = (now: number): void => {
      const request = nextRequest(now);
      if (request === undefined) {
        socket.destroy();
        resolve();
        return;
      }
      sentAt = now;
      socket.write(request);
    };
    const reader = new AnswerReader((status, body) => {
      const now = performance.now();
      if (status !== load.expectStatus) throw new Error(`${load.path} answered ${status} instead of ${load.expectStatus}: ${body.toString().slice(0, 500)}`);
      answered(now - sentAt);
      load.check?.(body);
      sendNext(performance.now());
    });
    const socket: Socket = connect({
      host: new URL(load.url).hostname,
      port: Number(new URL(load.url).port),
      noDelay: true,
      // Reading into one buffer per connection spares the stream machinery.
      onread: {
        buffer: Buffer.alloc(READ_BUFFER_BYTES),
        callback: (bytes, buffer) => {
          try {
            reader.push(Buffer.from(buffer.buffer, buffer.byteOffset, bytes));
          } catch (error) {
            fail(error as Error);
          }
          return true;
        },
      },
    });
    socket.once('connect', () => sendNext(performance.now()));
    socket.once('error', fail);
    // Harmless after the promise is settled; otherwise the server closed while an answer was due.
    socket.once('close', () => reject(new Error(`the server closed a connection in the middle of ${load.path}`)));
  });
}
