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
  /** Stores that may be answered with 503 or 504; one more ends the load with an error. @default 0 */
  readonly refusedMax?: number;
}

/** Stores that arrive at a fixed rate, whether or not those before have been answered. A latency begins when the request was due. */
export async function runPacedLoad({ urls, path, bodies, perSecond, forMs, connections, refusedMax = 0 }: PacedLoad): Promise<LatencyHistogram> {
  const latency = new LatencyHistogram();
  const agent = new Agent({ connections });
  const from = performance.now();
  const total = Math.floor((perSecond * forMs) / 1_000);
  const underWay = new Set<Promise<void>>();
  let refusals = 0;
  for (let sent = 0; sent < total; ) {
    for (; sent < total && from + (sent * 1_000) / perSecond <= performance.now(); sent += 1) {
      const due = from + (sent * 1_000) / perSecond;
      const one = request(`${urls[sent % urls.length]}${path}`, { dispatcher: agent, method: 'POST', headers: { 'content-type': 'application/json' }, body: bodies[sent % bodies.length]! }).then(async ({ statusCode, body }) => {
        const text = await body.text();
        const refused = statusCode === 503 || statusCode === 504;
        if (refused) refusals += 1;
        if (statusCode !== 201 && (!refused || refusals > refusedMax)) throw new Error(`a store was answered ${statusCode}: ${text.slice(0, 300)}`);
        if (!refused) latency.record(performance.now() - due);
        underWay.delete(one);
      });
      underWay.add(one);
    }
    await pause(1);
  }
  await Promise.all(underWay);
  await agent.close();
  return latency;
}
