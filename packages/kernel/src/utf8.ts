/** What stands in for a lone surrogate, as the WHATWG encoding standard and `TextEncoder` have it. */
const replacement = 0xfffd;

/** True when the text holds no lone surrogate, so that encoding and decoding it gives the same text back. */
export function isWellFormed(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (!isSurrogate(unit)) continue;
    if (!isPair(unit, text.charCodeAt(i + 1))) return false;
    i++;
  }
  return true;
}

/** Bytes that `utf8Encode` would produce, without producing them. */
export function utf8Length(text: string): number {
  let bytes = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else if (isPair(unit, text.charCodeAt(i + 1))) {
      bytes += 4;
      i++;
    } else bytes += 3;
  }
  return bytes;
}

/** The text as UTF-8 (RFC 3629). A lone surrogate becomes U+FFFD; check `isWellFormed` first where that must not happen. */
export function utf8Encode(text: string): Uint8Array {
  const bytes = new Uint8Array(utf8Length(text));
  let at = 0;
  for (let i = 0; i < text.length; i++) {
    const point = codePointAt(text, i);
    if (point < 0x80) {
      bytes[at++] = point;
    } else if (point < 0x800) {
      bytes[at++] = 0xc0 | (point >> 6);
      bytes[at++] = 0x80 | (point & 0x3f);
    } else if (point < 0x10000) {
      bytes[at++] = 0xe0 | (point >> 12);
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[at++] = 0x80 | (point & 0x3f);
    } else {
      bytes[at++] = 0xf0 | (point >> 18);
      bytes[at++] = 0x80 | ((point >> 12) & 0x3f);
      bytes[at++] = 0x80 | ((point >> 6) & 0x3f);
      bytes[at++] = 0x80 | (point & 0x3f);
      i++; // The low half of the pair is spent.
    }
  }
  return bytes;
}

function codePointAt(text: string, index: number): number {
  const unit = text.charCodeAt(index);
  if (!isSurrogate(unit)) return unit;
  const next = text.charCodeAt(index + 1);
  return isPair(unit, next) ? ((unit - 0xd800) << 10) + (next - 0xdc00) + 0x10000 : replacement;
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdfff;
}

/** `next` is NaN past the end of the text, which no comparison accepts. */
function isPair(unit: number, next: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff && next >= 0xdc00 && next <= 0xdfff;
}
