import { EngramError } from '@engram/kernel';
import { TcpTransport, type TcpOptions } from './tcp-transport.js';
import { UdpTransport, type UdpOptions } from './udp-transport.js';

export interface Transports {
  readonly udp: UdpTransport;
  readonly tcp: TcpTransport;
}

/** How often the system's choice of a port for one protocol may turn out to be taken for the other. */
const attemptsMax = 16;

/** Both sockets on one port, or neither. With port 0 the system chooses for TCP and UDP follows. */
export async function bindTransports(options: UdpOptions & TcpOptions): Promise<Transports> {
  for (let attempt = 1; ; attempt++) {
    const tcp = await TcpTransport.bind(options);
    try {
      return { tcp, udp: await UdpTransport.bind({ ...options, port: tcp.port }) };
    } catch (error) {
      await tcp.close();
      const mayTryAnother = options.port === 0 && attempt < attemptsMax && error instanceof EngramError && error.code === 'address_in_use';
      if (!mayTryAnother) throw error;
    }
  }
}
