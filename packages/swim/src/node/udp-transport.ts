import { createSocket, type RemoteInfo, type Socket, type SocketType } from 'node:dgram';
import { EngramError } from '@engram/kernel';
import type { Address } from '../core/index.js';
import { addressOf, canonicalHost, familyOf } from './endpoint.js';

export interface UdpOptions {
  /** A literal to listen on. `::` listens on IPv4 too. */
  readonly host: string;
  /** 0 lets the system choose. */
  readonly port: number;
  /** What the kernel keeps while the process is busy. The system may grant less. */
  readonly receiveBufferBytes: number;
  readonly onDatagram: (from: Address, bytes: Uint8Array) => void;
}

/** Datagrams and their payload since the socket was bound. */
export interface UdpCounters {
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Datagrams that did not get out, by the system's code or by our own reason. */
  readonly sendErrors: Readonly<Record<string, number>>;
}

/** Handed to the kernel and not yet sent; more is dropped, as a full network would. */
const sendQueueBytesMax = 4 * 1_024 * 1_024;

/**
 * One socket for datagrams. Sending never throws and never waits: what does not get out is counted, for a protocol that
 * lives with loss.
 */
export class UdpTransport {
  readonly #socket: Socket;
  readonly #dual: boolean;
  readonly #family: 4 | 6;
  readonly #counters = { packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0, sendErrors: new Map<string, number>() };
  #closed = false;

  /** Rejects with `address_in_use` or `invalid_argument`, both naming the address; nothing stays open then. */
  static async bind(options: UdpOptions): Promise<UdpTransport> {
    const transport = new UdpTransport(options);
    await transport.#bind(options);
    return transport;
  }

  private constructor({ host, receiveBufferBytes, onDatagram }: UdpOptions) {
    this.#dual = host === '::';
    this.#family = familyOf(host) === 6 ? 6 : 4;
    const type: SocketType = this.#family === 6 ? 'udp6' : 'udp4';
    // Only literals are ever sent to, so nothing has to be looked up; by default every datagram would ask.
    this.#socket = createSocket({ type, ipv6Only: this.#family === 6 && !this.#dual, recvBufferSize: receiveBufferBytes, lookup: (literal, _options, done) => done(null, literal, this.#family) });
    this.#socket.on('message', (bytes, from) => this.#receive(bytes, from, onDatagram));
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** Whether a literal of this family can be sent to. */
  reaches(family: 4 | 6): boolean {
    return this.#dual || family === this.#family;
  }

  /** Datagrams so far. */
  get received(): number {
    return this.#counters.packetsIn;
  }

  /** `host` is a literal. */
  send(host: string, port: number, bytes: Uint8Array): void {
    if (this.#closed) return;
    const family = familyOf(host);
    if (family === 0 || !this.reaches(family)) return this.#countError('address-family');
    if (this.#socket.getSendQueueSize() > sendQueueBytesMax) return this.#countError('send-queue-full');
    const to = this.#dual && family === 4 ? `::ffff:${host}` : host;
    try {
      this.#socket.send(bytes, port, to, (error) => (error ? this.#countError(codeOf(error)) : this.#countSent(bytes.length)));
    } catch (error) {
      this.#countError(codeOf(error));
    }
  }

  /** A datagram was for a name that does not stand for anything yet. */
  countUnresolved(): void {
    this.#countError('unresolved');
  }

  counters(): UdpCounters {
    return { ...this.#counters, sendErrors: Object.fromEntries(this.#counters.sendErrors) };
  }

  close(): Promise<void> {
    if (this.#closed) return Promise.resolve();
    this.#closed = true;
    return new Promise((resolve) => this.#socket.close(() => resolve()));
  }

  async #bind({ host, port }: UdpOptions): Promise<void> {
    try {
      await new Promise<void>((resolve, reject) => {
        this.#socket.once('error', reject);
        this.#socket.bind({ address: host, port, exclusive: true }, () => {
          this.#socket.off('error', reject);
          resolve();
        });
      });
    } catch (error) {
      await this.close();
      throw bindError('UDP', addressOf(host, port), error);
    }
    // Errors that belong to no send come from the network, such as a port found closed. They say nothing new.
    this.#socket.on('error', (error) => this.#countError(codeOf(error)));
  }

  #receive(bytes: Uint8Array, from: RemoteInfo, onDatagram: UdpOptions['onDatagram']): void {
    if (this.#closed) return;
    this.#counters.packetsIn += 1;
    this.#counters.bytesIn += bytes.length;
    onDatagram(addressOf(this.#family === 6 ? canonicalHost(from.address) : from.address, from.port), bytes);
  }

  #countSent(bytes: number): void {
    this.#counters.packetsOut += 1;
    this.#counters.bytesOut += bytes;
  }

  #countError(code: string): void {
    this.#counters.sendErrors.set(code, (this.#counters.sendErrors.get(code) ?? 0) + 1);
  }
}

/** The same words for both sockets, so that an operator reads which of the two it was. */
export function bindError(protocol: 'UDP' | 'TCP', address: Address, cause: unknown): EngramError {
  const code = codeOf(cause);
  const details = { address, protocol, cause: code };
  if (code === 'EADDRINUSE') return new EngramError('address_in_use', `${protocol} ${address} is in use by another process`, { cause, details });
  const hints: Record<string, string> = {
    EADDRNOTAVAIL: 'This machine has no such address. Bind one that it has, or "0.0.0.0", and advertise what others reach.',
    EACCES: 'The system does not allow this process to use the port. Choose one above 1023.',
    EAFNOSUPPORT: 'This machine has no IPv6. Bind an IPv4 address.',
  };
  return new EngramError('invalid_argument', `${protocol} ${address} cannot be bound: ${code}`, { cause, details, hint: hints[code] ?? 'Bind another address.' });
}

export function codeOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  return error instanceof Error ? error.message : String(error);
}
