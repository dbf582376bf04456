import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { LatencyHistogram } from './histogram.js';

export interface PacedLoad {
  /** Asked in turn. */
  readonly urls: readonly string[];
  readonly path: string;
  /** Sent in turn, over and over. */
  readonly bodies: readonly Buffer[];
  readonly perSecond: number;
  readonly forMs: number;
  readonly connections: number;
  /** Whether a store may be answered with 503 or 504; else that ends the load with an error. @default false */
  readonly mayRefuse?: boolean;
}

export interface PacedResult {
  /** Of those that were stored. */
  readonly latency: LatencyHistogram;
  readonly refused: number;
}

/**
 * Stores that arrive at a fixed rate, whether or not those before have been answered. A latency begins when the request
 * was due. @throws Error for the first store that is answered otherwise than it may be, once all are answered
 */
export async function runPacedLoad({ urls, path, bodies, perSecond, forMs, connections, mayRefuse = false }: PacedLoad): Promise<PacedResult> {
  const latency = new LatencyHistogram();
  const agent = new Agent({ connections });
  const from = performance.now();
  const total = Math.floor((perSecond * forMs) / 1_000);
  const underWay = new Set<Promise<void>>();
  let refused = 0;
  let failure: unknown;
  const store = async (at: number, due: number): Promise<void> => {
    const { statusCode, body } = await request(`${urls[at % urls.length]}${path}`, { dispatcher: agent, method: 'POST', headers: { 'content-type': 'application/json' }, body: bodies[at % bodies.length]! });
    const text = await body.text();
    if (statusCode === 201) latency.record(performance.now() - due);
    else if (mayRefuse && (statusCode === 503 || statusCode === 504)) refused += 1;
    else throw new Error(`a store was answered ${statusCode}: ${text.slice(0, 300)}`);
  };
  for (let sent = 0; sent < total && failure === undefined; ) {
    for (; sent < total && from + (sent * 1_000) / perSecond <= performance.now(); sent += 1) {
      const one = store(sent, from + (sent * 1_000) / perSecond).catch((error: unknown) => (failure ??= error)).then(() => void underWay.delete(one));
      underWay.add(one);
    }
    await pause(1);
  }
  await Promise.all(underWay);
  await agent.close();
  // Whoever asked for the load has things to close before the process ends.
  if (failure !== undefined) throw failure instanceof Error ? failure : new Error(String(failure));
  return { latency, refused };
}
