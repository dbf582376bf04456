import type { IncomingMessage, ServerResponse } from 'node:http';

/** How long, and how much, a refused client may go on sending before the connection is cut. */
const LINGER_MS = 2_000;
const LINGER_BYTES = 16 * 1_048_576;

/**
 * Closes a connection whose request will not be read to its end, in a way that lets the client see the answer.
 *
 * Closing at once would answer the bytes still on their way with a reset, and many clients then drop the answer unread.
 * So we end our side, throw away what still comes for a short while, and only then let go (RFC 9112, section 9.6).
 */
export function lingerOnClose(request: IncomingMessage, response: ServerResponse): void {
  const { socket } = request;
  if (response.headersSent || socket.destroyed) return;
  response.setHeader('connection', 'close');
  // Node ends a closing connection through this method once the answer is written.
  socket.destroySoon = () => {
    if (socket.writable) socket.end();
    if (request.complete) {
      socket.destroy();
      return;
    }
    let bytes = 0;
    const cut = setTimeout(() => socket.destroy(), LINGER_MS).unref();
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > LINGER_BYTES) socket.destroy();
    });
    request.once('end', () => socket.destroy());
    request.on('error', () => socket.destroy());
    socket.once('close', () => clearTimeout(cut));
    request.resume();
  };
}
