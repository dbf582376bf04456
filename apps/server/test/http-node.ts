import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseNodeId, Random } from '@engram/kernel';
import { pino } from 'pino';
import type { ClusterOperator, Membership, PlacementView } from '../src/cluster/index.js';
import { createHttpServer, type HttpServer } from '../src/http/index.js';
import type { HttpLimits } from '../src/http/limits.js';
import { openEngine, type Engine } from '../src/engine/index.js';
import { ServerMetrics } from '../src/metrics/index.js';

/** A whole node without its process: a real engine on a directory of its own, and HTTP in front of it. */
export interface HttpNode {
  readonly server: HttpServer;
  readonly engine: Engine;
  readonly metrics: ServerMetrics;
  readonly shutdownsRequested: () => number;
  readonly close: () => Promise<void>;
}

export async function httpNode(limits: HttpLimits = {}, cluster: { readonly membership?: Membership; readonly placement?: PlacementView; readonly operator?: ClusterOperator } = {}): Promise<HttpNode> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'engram-http-'));
  const metrics = new ServerMetrics('0.0.0-test');
  const engine = await openEngine({
    dataDirectory,
    nodeId: parseNodeId('node-1'),
    version: '0.0.0-test',
    random: Random.fromSeed('http'),
    wallClockMs: Date.now,
    wal: { onFsync: metrics.walFsync },
  });
  let shutdowns = 0;
  const server = createHttpServer({ engine, log: pino({ level: 'silent' }), metrics, limits, ...cluster, onShutdownRequested: () => (shutdowns += 1) });
  await server.ready();
  return {
    server,
    engine,
    metrics,
    shutdownsRequested: () => shutdowns,
    close: async () => {
      await server.close();
      await engine.close();
      rmSync(dataDirectory, { recursive: true, force: true });
    },
  };
}
