/**
 * Walks msgpack bytes without building anything and says whether they are one array, whole and exact, of the plain
 * kinds we send: nil, booleans, numbers, text, bytes and arrays. Maps, extensions and 64-bit integers are refused.
 *
 * It runs before the decoder, so the decoder never sees a length that the bytes do not hold, a nesting deeper than
 * `depthMax`, or an extension that would make it build something else.
 */
export function isPlainArray(bytes: Uint8Array, start: number, depthMax: number): boolean {
  // How many items are still to come at each open level; the walk keeps no other state.
  const remaining: number[] = [];
  let at = start;
  do {
    if (at >= bytes.length) return false;
    const marker = bytes[at] as number;
    at++;
    let items = -1;
    if (marker <= 0x7f || marker >= 0xe0) { /* a small number */ }
    else if (marker <= 0x8f) return false;
    else if (marker <= 0x9f) items = marker & 0x0f;
    else if (marker <= 0xbf) at += marker & 0x1f;
    else {
      const width = lengthWidth(marker);
      if (width < 0 || at + width > bytes.length) return false;
      const length = bigEndian(bytes, at, width);
      if (marker === 0xdc || marker === 0xdd) {
        at += width;
        items = length;
      } else at += width === 0 ? fixedWidth(marker) : isSized(marker) ? width + length : width;
    }
    if (at > bytes.length || (remaining.length === 0 && items < 0)) return false;
    if (items >= 0) {
      // Each item takes a byte at least, so a lying count is refused before it is counted down.
      if (items > bytes.length - at || remaining.length >= depthMax) return false;
      if (remaining.length > 0) remaining[remaining.length - 1] = (remaining.at(-1) as number) - 1;
      remaining.push(items);
    } else remaining[remaining.length - 1] = (remaining.at(-1) as number) - 1;
    while (remaining.length > 0 && remaining.at(-1) === 0) remaining.pop();
  } while (remaining.length > 0);
  return at === bytes.length;
}

/** Bytes after the marker that hold a length or an unsigned or signed number; -1 for kinds that are refused. */
function lengthWidth(marker: number): number {
  switch (marker) {
    case 0xc0: case 0xc2: case 0xc3: case 0xca: case 0xcb: return 0;
    case 0xc4: case 0xd9: case 0xcc: case 0xd0: return 1;
    case 0xc5: case 0xda: case 0xdc: case 0xcd: case 0xd1: return 2;
    case 0xc6: case 0xdb: case 0xdd: case 0xce: case 0xd2: return 4;
    default: return -1;
  }
}

/** Bytes and text, whose length is followed by so many bytes. */
function isSized(marker: number): boolean {
  return (marker >= 0xc4 && marker <= 0xc6) || (marker >= 0xd9 && marker <= 0xdb);
}

function fixedWidth(marker: number): number {
  return marker === 0xca ? 4 : marker === 0xcb ? 8 : 0;
}

function bigEndian(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = 0; i < width; i++) value = value * 256 + (bytes[at + i] as number);
  return value;
}
