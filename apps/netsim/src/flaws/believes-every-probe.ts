import { decodePacket, encodePacket, headerBytes, type SwimCore, type SwimEffect, type SwimEvent } from '@engram/swim/core';
import type { Flaw } from './flaw.js';

export const believesEveryProbe: Flaw = {
  name: 'believes-every-probe',
  summary: 'A probe counts as answered as soon as it is sent, so nobody notices a death.',
  scenario: 'kill-one',
  caughtBy: 'detection',
  sabotage: () => {
    let prober: SwimCore | undefined;
    return {
      effect: (effect, core) => {
        prober = core;
        return [effect];
      },
      afterwards: (effect, dispatch) => {
        const answer = forgedAnswer(effect, prober);
        if (answer) dispatch(answer);
      },
    };
  },
};

function forgedAnswer(effect: SwimEffect, prober: SwimCore | undefined): SwimEvent | undefined {
  if (effect.kind !== 'send-datagram') return undefined;
  const header = effect.bytes.slice(0, headerBytes);
  const decoded = decodePacket(effect.bytes, header, 'datagram', { datagramBytesMax: 8_192, streamBytesMax: 8_192, metadataBytesMax: 8_192 });
  const ping = decoded.kind === 'packet' ? decoded.packet.messages.find(({ kind }) => kind === 'ping') : undefined;
  const target = ping?.kind === 'ping' ? prober?.member(ping.target) : undefined;
  if (ping?.kind !== 'ping' || !target) return undefined;
  const from = { id: target.id, epoch: target.epoch, incarnation: target.incarnation };
  return { kind: 'datagram-received', from: effect.to, bytes: encodePacket(header, { from, messages: [{ kind: 'ack', seq: ping.seq, stranger: false }] }) };
}
