/** A line of a stream. `bytes` is undefined when the line was longer than allowed: it was skipped, not kept. */
export interface Line {
  /** From 1; empty lines count. */
  readonly number: number;
  readonly bytes: Buffer | undefined;
}

const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Cuts a stream of bytes into lines and hands them on in groups: whatever whole lines a chunk completes, at most
 * `groupMax` at a time. So a fast client fills groups and a slow one never waits for a group to fill. Holds one line
 * (`lineBytesMax`) and one chunk at most; the stream is read only as fast as groups are taken. Empty lines are left out.
 */
export async function* readLines(stream: AsyncIterable<Buffer>, lineBytesMax: number, groupMax: number): AsyncGenerator<readonly Line[]> {
  let number = 0;
  let begun: Buffer[] = [];
  let begunBytes = 0;
  let group: Line[] = [];

  const finishLine = (rest: Buffer): void => {
    number += 1;
    const bytes = begunBytes + rest.length > lineBytesMax ? undefined : trimmed(begun.length === 0 ? rest : Buffer.concat([...begun, rest]));
    begun = [];
    begunBytes = 0;
    if (bytes === undefined || bytes.length > 0) group.push({ number, bytes });
  };

  for await (const chunk of stream) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      finishLine(chunk.subarray(start, end));
      start = end + 1;
      if (group.length < groupMax) continue;
      yield group;
      group = [];
    }
    const rest = chunk.subarray(start);
    begunBytes += rest.length;
    if (begunBytes > lineBytesMax) begun = [];
    else if (rest.length > 0) begun.push(rest);
    if (group.length === 0) continue;
    yield group;
    group = [];
  }
  // The last line need not end in a newline.
  if (begunBytes > 0) finishLine(Buffer.alloc(0));
  if (group.length > 0) yield group;
}

/** Without white space at either end: lines of Windows end in CR LF, and a line of blanks is an empty one. */
function trimmed(bytes: Buffer): Buffer {
  let start = 0;
  let end = bytes.length;
  const isBlank = (byte: number | undefined): boolean => byte === 0x20 || byte === 0x09 || byte === CARRIAGE_RETURN;
  while (start < end && isBlank(bytes[start])) start += 1;
  while (end > start && isBlank(bytes[end - 1])) end -= 1;
  return bytes.subarray(start, end);
}
