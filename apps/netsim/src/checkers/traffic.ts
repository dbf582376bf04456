import type { MakeChecker } from './checker.js';

/** IPv4 and UDP headers of one datagram. */
const datagramHeaderBytes = 28;
/** A short conversation over TCP: about ten packets of 40 bytes of headers, both ends together; each end is charged half. */
const streamHeaderBytes = 200;

/** What a node may send per second while nothing happens. The aim for `lan` is 350; a `fast` cluster probes four times as often. */
const calmBytesPerSecondMax = { fast: 1_400, lan: 350, wan: 150 } as const;

/**
 * What membership costs each node, headers included: in the calm before the first fault, and over the whole run. The
 * calm is the second half of the time before the first fault, when joining is over.
 */
export const traffic: MakeChecker = ({ plan, cluster }) => {
  const calmToMs = Math.min(plan.schedule[0]?.atMs ?? plan.endMs, plan.endMs);
  const calmFromMs = Math.round(calmToMs / 2);
  const names = plan.names.filter((name) => plan.clusterOf[name] === undefined);
  const sent = (): number[] => names.map((name) => bytesSent(cluster.node(name).traffic));
  let before: number[] = [];
  let after: number[] = [];
  cluster.world.at(calmFromMs, () => { before = sent(); });
  cluster.world.at(calmToMs - 0.001, () => { after = sent(); });
  return {
    name: 'traffic',
    conclude() {
      const calmS = (calmToMs - calmFromMs) / 1_000;
      const perSecond = names.map((_, i) => ((after[i] as number) - (before[i] as number)) / calmS);
      const mean = perSecond.reduce((sum, rate) => sum + rate, 0) / names.length;
      const most = calmBytesPerSecondMax[plan.preset];
      const packets = names.map((name) => cluster.node(name).traffic.packetsOut / (plan.endMs / 1_000));
      const bytes = sent().map((total) => total / (plan.endMs / 1_000));
      return {
        violations: mean > most ? [`while nothing happened each node sent ${mean.toFixed(0)} bytes a second on average; ${most} is the limit with preset ${plan.preset}`] : [],
        samples: { calmBytesPerSecond: [mean], bytesPerSecond: bytes, packetsPerSecond: packets },
      };
    },
  };
};

function bytesSent({ bytesOut, packetsOut, streamBytesOut, streamsOpened }: { readonly bytesOut: number; readonly packetsOut: number; readonly streamBytesOut: number; readonly streamsOpened: number }): number {
  return bytesOut + datagramHeaderBytes * packetsOut + streamBytesOut + 2 * streamHeaderBytes * streamsOpened;
}
