/** From the bytes of a JSON Lines file to chunks of drafts, without ever holding more than one chunk and one line. */
import { createHash } from 'node:crypto';

export interface SourceLine {
  /** Counts from 1. */
  readonly number: number;
  /** Position just behind the line, in bytes from the start of the file. */
  readonly end: number;
  /** Undefined when the line is longer than allowed; its bytes were skipped. */
  readonly bytes: Buffer | undefined;
}

export interface ChunkBounds {
  readonly lines: number;
  readonly bytes: number;
}

/** A line that can be sent, or why not. */
export type DraftLine =
  | { readonly kind: 'draft'; readonly number: number; readonly json: string }
  | { readonly kind: 'bad'; readonly number: number; readonly reason: string };

export interface Chunk {
  readonly drafts: readonly Extract<DraftLine, { kind: 'draft' }>[];
  readonly bad: readonly Extract<DraftLine, { kind: 'bad' }>[];
  /** How far the file is read, in bytes. */
  readonly end: number;
}

/** Lines end with LF or CRLF; the last needs no end. Empty lines are counted and left out. */
export async function* splitLines(source: AsyncIterable<Buffer | string>, lineBytesMax: number): AsyncGenerator<SourceLine> {
  let pending: Buffer[] = [];
  let pendingBytes = 0;
  let tooLong = false;
  let number = 0;
  let position = 0;
  const take = (): SourceLine | undefined => {
    number += 1;
    const bytes = tooLong ? undefined : withoutEnd(Buffer.concat(pending), number === 1);
    [pending, pendingBytes, tooLong] = [[], 0, false];
    return bytes?.length === 0 ? undefined : { number, end: position, bytes };
  };
  for await (const piece of source) {
    const chunk = typeof piece === 'string' ? Buffer.from(piece) : piece;
    let start = 0;
    for (let end = chunk.indexOf(0x0a); ; end = chunk.indexOf(0x0a, start)) {
      const part = chunk.subarray(start, end === -1 ? chunk.length : end);
      pendingBytes += part.length;
      position += part.length;
      if (pendingBytes > lineBytesMax) [pending, tooLong] = [[], true];
      else if (part.length > 0) pending.push(part);
      if (end === -1) break;
      position += 1;
      start = end + 1;
      const line = take();
      if (line !== undefined) yield line;
    }
  }
  if (pendingBytes > 0) {
    const line = take();
    if (line !== undefined) yield line;
  }
}

/**
 * Groups lines for sending. A line without an id gets one made from what it says, so that importing the same file
 * again, or the rest of it after an interruption, finds what is stored already instead of storing it twice.
 */
export async function* chunkDrafts(lines: AsyncIterable<SourceLine>, space: string | undefined, bounds: ChunkBounds): AsyncGenerator<Chunk> {
  let drafts: Chunk['drafts'][number][] = [];
  let bad: Chunk['bad'][number][] = [];
  let bytes = 0;
  let end = 0;
  for await (const line of lines) {
    const draft = readDraft(line, space);
    if (draft.kind === 'draft') drafts.push(draft);
    else bad.push(draft);
    bytes += line.bytes?.length ?? 0;
    end = line.end;
    if (drafts.length + bad.length >= bounds.lines || bytes >= bounds.bytes) {
      yield { drafts, bad, end };
      [drafts, bad, bytes] = [[], [], 0];
    }
  }
  if (drafts.length + bad.length > 0) yield { drafts, bad, end };
}

export function readDraft({ number, bytes }: SourceLine, space: string | undefined): DraftLine {
  const bad = (reason: string): DraftLine => ({ kind: 'bad', number, reason });
  if (bytes === undefined) return bad('is longer than a line may be');
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    return bad(error instanceof SyntaxError ? `is not JSON: ${error.message}` : 'is not UTF-8');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return bad('is not a JSON object');
  // What a server adds to a memory is in every export; a new server says it anew.
  const { stored_at: _storedAt, durability: _durability, ...draft } = value as Record<string, unknown>;
  const id = draft['id'] ?? idOf(draft);
  return { kind: 'draft', number, json: JSON.stringify({ ...draft, id, ...(space === undefined ? {} : { memory_space: space }) }) };
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Two lines that say the same are one memory. The space is left out: ids belong to a space anyway. */
function idOf({ memory_space: _space, ...said }: Record<string, unknown>): string {
  return `line-${createHash('sha256').update(JSON.stringify(said)).digest('hex').slice(0, 32)}`;
}

function withoutEnd(line: Buffer, first: boolean): Buffer {
  const start = first && line[0] === 0xef && line[1] === 0xbb && line[2] === 0xbf ? 3 : 0;
  const end = line.at(-1) === 0x0d ? line.length - 1 : line.length;
  const content = line.subarray(start, Math.max(start, end));
  return content.every((byte) => byte === 0x20 || byte === 0x09) ? content.subarray(0, 0) : content;
}
