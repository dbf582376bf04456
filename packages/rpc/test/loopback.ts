import { Server, ServerCredentials } from '@grpc/grpc-js';
import { EngramError } from '@engram/kernel';
import { limitReadAhead, MemoryDefinition, toGrpcService, type GrpcServiceOptions, type Handlers } from '../src/index.js';

type MemoryHandlers = Handlers<typeof MemoryDefinition>;

export interface Loopback {
  readonly address: string;
  close(): void;
}

/** A Memory service on a free port of 127.0.0.1; methods that a test does not name refuse. */
export async function startLoopback(handlers: Partial<MemoryHandlers>, options: GrpcServiceOptions = {}): Promise<Loopback> {
  const refuse = (): never => {
    throw new EngramError('internal', 'This test expects no such call.');
  };
  const all: MemoryHandlers = { store: refuse, storeStream: refuse, recall: refuse, get: refuse, forget: refuse, list: refuse, ...handlers };
  const { definition, implementation } = toGrpcService(MemoryDefinition, all, options);
  const server = new Server({ interceptors: [limitReadAhead(1)] });
  server.addService(definition, implementation);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  return { address: `127.0.0.1:${port}`, close: () => server.forceShutdown() };
}
