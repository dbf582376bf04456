/**
 * What sealing costs: `npx tsx --conditions=@engram/source packages/swim/test/seal.bench.ts`. Median of rounds.
 */
import { parseClusterId } from '@engram/kernel';
import { generateKey, Keyring } from '../src/index.js';
import { sealedDatagrams } from '../src/node/datagram-guard.js';
import { Seal } from '../src/node/seal.js';

const perRound = 20_000;
const rounds = 15;
const cluster = parseClusterId('bench');
const key = generateKey();
const guard = () => sealedDatagrams(new Seal(new Keyring(key), cluster));

function medianMicros(run: () => void): number {
  const micros = Array.from({ length: rounds }, () => {
    const from = performance.now();
    run();
    return ((performance.now() - from) * 1_000) / perRound;
  });
  return micros.toSorted((a, b) => a - b)[rounds >> 1] as number;
}

for (const bytes of [200, 1_150]) {
  const packet = new Uint8Array(bytes);
  const sender = guard();
  let sealed: Uint8Array[] = [];
  const sealing = medianMicros(() => (sealed = Array.from({ length: perRound }, () => sender.seal(packet))));
  let receiver = guard();
  const opening = medianMicros(() => {
    receiver = guard();
    for (const one of sealed) receiver.open(one);
  });
  const replayed = medianMicros(() => sealed.forEach((one) => receiver.open(one)));
  const stranger = sealedDatagrams(new Seal(new Keyring(generateKey()), cluster));
  const unknown = medianMicros(() => sealed.forEach((one) => stranger.open(one)));
  sealed.forEach((one) => (one[60] = (one[60] as number) ^ 1));
  const forged = medianMicros(() => sealed.forEach((one) => receiver.open(one)));
  const shown = Object.entries({ seal: sealing, open: opening, 'refuse a replay': replayed, 'refuse a forgery': forged, 'refuse an unknown key': unknown });
  console.log(`${bytes} B: ${shown.map(([what, micros]) => `${what} ${micros.toFixed(1)} µs`).join(' · ')}`);
}
