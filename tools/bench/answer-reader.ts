const HEADERS_END = Buffer.from('\r\n\r\n');
const lengthHeader = /\r\ncontent-length: *(\d+)/i;

/**
 * Cuts the bytes of one HTTP/1.1 connection into answers. Reads the status and the Content-Length and nothing else: on a
 * machine that server and load share, what the load spends is taken from the server.
 */
export class AnswerReader {
  readonly #onAnswer: (status: number, body: Buffer) => void;
  #pending: Buffer | undefined;

  constructor(onAnswer: (status: number, body: Buffer) => void) {
    this.#onAnswer = onAnswer;
  }

  /** `chunk` and the bodies handed on may be overwritten afterwards. @throws Error for an answer without Content-Length. */
  push(chunk: Buffer): void {
    const bytes = this.#pending ? Buffer.concat([this.#pending, chunk]) : chunk;
    let start = 0;
    for (;;) {
      const headersEnd = bytes.indexOf(HEADERS_END, start);
      if (headersEnd === -1) break;
      const head = bytes.toString('latin1', start, headersEnd);
      const length = lengthHeader.exec(head)?.[1];
      if (length === undefined) throw new Error(`an answer without Content-Length: ${head.slice(0, 200)}`);
      const bodyStart = headersEnd + HEADERS_END.length;
      const end = bodyStart + Number(length);
      if (end > bytes.length) break;
      this.#onAnswer(Number(head.slice(9, 12)), bytes.subarray(bodyStart, end));
      start = end;
    }
    this.#pending = start < bytes.length ? Buffer.from(bytes.subarray(start)) : undefined;
  }
}
