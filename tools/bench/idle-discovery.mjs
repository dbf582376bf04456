/**
 * A process that does nothing for a while, with or without a discovery, and then says what processor time that took.
 * Started by the benchmark with one argument of JSON: `{forMs, settleMs, sources?}`; prints `{cpuMicros, wallMs, names}`.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { createDiscovery, dnsSource, etcdSource, multicastSource, staticSource } from '@engram/discovery';

const makers = { static: staticSource, dns: dnsSource, etcd: etcdSource, multicast: multicastSource };
const { forMs, settleMs, sources = {} } = JSON.parse(process.argv[2]);
const made = Object.entries(sources).map(([name, options]) => makers[name](options));

const discovery = made.length === 0 ? undefined : createDiscovery({ sources: made });
if (discovery) {
  discovery.start();
  await discovery.register({ cluster: 'idle', nodeId: 'idle-1', swim: '127.0.0.1:7946' });
  await discovery.discover();
  const failing = discovery.health().sources.filter(({ state }) => state !== 'ok');
  if (failing.length > 0) throw new Error(`not idle but failing: ${JSON.stringify(failing)}`);
}
// What starting left to do is not what idling costs.
await pause(settleMs);

const [cpuBefore, wallBefore] = [process.cpuUsage(), performance.now()];
await pause(forMs);
const { user, system } = process.cpuUsage(cpuBefore);
console.log(JSON.stringify({ cpuMicros: user + system, wallMs: performance.now() - wallBefore, names: made.map(({ name }) => name) }));
await discovery?.stop();
