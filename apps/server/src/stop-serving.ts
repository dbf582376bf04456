/** What a node serves, as far as it has to be ended. Each closes at the latest after the given time, in milliseconds. */
export interface Serving {
  /** Hands over what this node leads, and says goodbye. */
  leave(limitMs: number): Promise<void>;
  closeHttp(graceMs: number): Promise<void>;
  /** Clients and other nodes are served on the same port. */
  closeGrpc(graceMs: number): Promise<void>;
}

/**
 * Ends the goodbye and the requests under way within `limitMs`. The way in for other nodes closes last: without what they
 * say, nothing could be handed over to them.
 */
export async function stopServing(serving: Serving, limitMs: number): Promise<void> {
  const began = performance.now();
  const left = serving.leave(limitMs).then(() => serving.closeGrpc(Math.max(0, limitMs - (performance.now() - began))));
  await Promise.all([left, serving.closeHttp(limitMs)]);
}
