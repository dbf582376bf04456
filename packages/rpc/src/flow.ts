import type { Writable } from 'node:stream';

/** Whatever ends a wait for room: room, or the end of the call in one of the ways grpc-js reports it. */
const eventsThatEndTheWait = ['drain', 'close', 'error', 'status', 'cancelled'] as const;

/**
 * Writes, and resolves when the stream wants more. Resolves also when the call has ended meanwhile: a stream that
 * grpc-js has given up never drains, and who reads or writes next is told what happened.
 */
export async function written(stream: Writable, bytes: Uint8Array): Promise<void> {
  if (stream.destroyed || stream.write(bytes)) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      for (const event of eventsThatEndTheWait) stream.off(event, done);
      resolve();
    };
    for (const event of eventsThatEndTheWait) stream.on(event, done);
  });
}
