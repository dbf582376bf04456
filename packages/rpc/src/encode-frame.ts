/** Field 1, length-delimited: the only field of a PeerFrame. */
const payloadTag = 0x0a;

/**
 * The bytes of a PeerFrame. As the generated codec writes them, with one copy of the payload instead of two: frames are
 * most of what nodes say to one another.
 */
export function encodeFrame(payload: Uint8Array): Buffer {
  const { byteLength } = payload;
  if (byteLength === 0) return Buffer.alloc(0);
  const headBytes = 1 + varintBytes(byteLength);
  const frame = Buffer.allocUnsafe(headBytes + byteLength);
  frame[0] = payloadTag;
  let rest = byteLength;
  for (let at = 1; at < headBytes; at += 1) {
    frame[at] = rest > 0x7f ? (rest & 0x7f) | 0x80 : rest;
    rest >>>= 7;
  }
  frame.set(payload, headBytes);
  return frame;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes += 1;
  return bytes;
}
