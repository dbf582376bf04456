/** What a step that failed said last, short enough to be read where only the end of a long output is shown. */

/** As vitest heads what it says about failures; before that it tells of every test. */
const FAILED_TESTS = /^⎯+ (Failed (Tests|Suites)|Unhandled Errors?)\b/;
const FAILED_TEST = /^\s*FAIL {2}/;

/** The last lines of an output, without colours. Holds no more than it may show, however much there is. */
export class LastLines {
  #lines = [];
  #rest = '';

  /**
   * @param {number} linesMax
   * @param {number} charactersMax of each line
   */
  constructor(linesMax = 2_000, charactersMax = 500) {
    this.linesMax = linesMax;
    this.charactersMax = charactersMax;
  }

  /** @param {string} text Need not end where a line does. */
  add(text) {
    const [first, ...others] = text.split('\n');
    this.#rest = this.#short(this.#rest + first);
    for (const line of others) {
      this.#keep(this.#rest);
      this.#rest = this.#short(line);
    }
  }

  /** @returns {string[]} */
  lines() {
    return [...this.#lines, ...(this.#rest === '' ? [] : [this.#rest])].map(plain).slice(-this.linesMax);
  }

  #keep(line) {
    this.#lines.push(line);
    // By halves, so that keeping a line costs the same however many there are.
    if (this.#lines.length >= 2 * this.linesMax) this.#lines = this.#lines.slice(-this.linesMax);
  }

  #short(line) {
    return line.length > this.charactersMax ? `${line.slice(0, this.charactersMax)}…` : line;
  }
}

/**
 * The part that says what failed: from the section of failed tests on where there is one, else the end.
 *
 * @param {readonly string[]} lines
 * @param {number} linesMax
 * @returns {string[]}
 */
export function whatFailed(lines, linesMax = 80) {
  const from = lines.findIndex((line) => FAILED_TESTS.test(line));
  if (from < 0) return lines.slice(-linesMax);
  const told = lines.slice(from);
  if (told.length <= linesMax) return told;
  // Every test that failed with its reason, then the first in full: those after it often failed for that alone.
  const named = told.filter((line, at) => FAILED_TEST.test(line) || FAILED_TEST.test(told[at - 1] ?? '')).slice(0, linesMax / 2);
  return [...named, '…', ...told.slice(0, linesMax - named.length - 1)];
}

/** Without the escape sequences of a terminal, and without what was overwritten in its line. */
function plain(line) {
  return line.replace(/\u001b\[[0-9;?]*[A-Za-z]/g, '').replace(/\r$/, '').replace(/^.*\r/, '');
}
