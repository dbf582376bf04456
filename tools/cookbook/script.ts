/** Long answers are shown up to here. */
const linesMost = 12;
const columnsMost = 160;

/** Shows what is typed and what comes of it, line by line, and counts what is not as expected. */
export class Script {
  passed = 0;
  readonly failures: string[] = [];
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void = console.log) {
    this.#write = write;
  }

  heading(text: string): void {
    this.#write(`\n── ${text}`);
  }

  typed(line: string): void {
    this.#write(`$ ${line}`);
  }

  answered(text: string): void {
    const lines = text.trimEnd().split('\n');
    for (const line of lines.slice(0, linesMost)) this.#write(`    ${line.length > columnsMost ? `${line.slice(0, columnsMost - 1)}…` : line}`);
    if (lines.length > linesMost) this.#write(`    … ${lines.length - linesMost} more lines`);
  }

  /** @param evidence Shown when it does not hold. */
  expect(what: string, holds: boolean, evidence: unknown): void {
    this.#write(`${holds ? 'ok  ' : 'FAIL'}  ${what}`);
    if (holds) {
      this.passed += 1;
      return;
    }
    this.failures.push(what);
    this.#write(typeof evidence === 'string' ? evidence : JSON.stringify(evidence, null, 2));
  }

  /** @returns What the process should exit with. */
  summary(): number {
    this.heading('summary');
    for (const failure of this.failures) this.#write(`FAIL  ${failure}`);
    this.#write(`${this.passed} as expected, ${this.failures.length} not`);
    return this.failures.length === 0 && this.passed > 0 ? 0 : 1;
  }
}
