import { decodePacket, encodePacket, headerBytes, type Packet, type SwimEffect, type SwimEvent, type SwimOptions, type WireMessage } from '@engram/swim/core';
import type { Sabotage } from '@engram/swim/testing';

/** A bug as somebody might write it, planted on purpose: the proof that a checker sees it. */
export interface Flaw {
  readonly name: string;
  readonly summary: string;
  /** Where it shows, and who must see it. */
  readonly scenario: string;
  readonly caughtBy: string;
  /** Makes a fresh one for each life of a node; undefined for nodes that are well. */
  sabotage?(name: string, life: number): Sabotage | undefined;
  /** Options that nobody should choose. */
  readonly swim?: SwimOptions;
  /** Puts nodes into other clusters than the scenario has it. */
  readonly clusterOf?: (name: string) => string;
}

const limits = { datagramBytesMax: 8_192, streamBytesMax: 1_048_576, metadataBytesMax: 16_384 };

/** The event with other messages in its packet; undefined drops it. Events without a packet pass. */
export function heardAs(event: SwimEvent, change: (messages: readonly WireMessage[], packet: Packet) => readonly WireMessage[] | undefined): SwimEvent | undefined {
  if (event.kind !== 'datagram-received' && event.kind !== 'stream-received') return event;
  const bytes = repacked(event.bytes, event.kind === 'datagram-received' ? 'datagram' : 'stream', change);
  return bytes && { ...event, bytes };
}

/** The same for what is sent. */
export function saidAs(effect: SwimEffect, change: (messages: readonly WireMessage[], packet: Packet) => readonly WireMessage[] | undefined): readonly SwimEffect[] {
  if (effect.kind !== 'send-datagram' && effect.kind !== 'open-stream' && effect.kind !== 'send-stream') return [effect];
  const bytes = repacked(effect.bytes, effect.kind === 'send-datagram' ? 'datagram' : 'stream', change);
  return bytes ? [{ ...effect, bytes }] : [];
}

function repacked(bytes: Uint8Array, channel: 'datagram' | 'stream', change: (messages: readonly WireMessage[], packet: Packet) => readonly WireMessage[] | undefined): Uint8Array | undefined {
  const header = bytes.slice(0, headerBytes);
  const decoded = decodePacket(bytes, header, channel, limits);
  if (decoded.kind === 'rejected') return bytes;
  const messages = change(decoded.packet.messages, decoded.packet);
  return messages && encodePacket(header, { from: decoded.packet.from, messages });
}
