/** Does what is typed: requests with the method, headers and body that curl would send, and the command line as a process. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { engramCommand } from '../harness/server-process.js';
import type { Script } from './script.js';
import { curlLine, shellLine, type Asked } from './typed.js';

export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly tookMs: number;
}

export interface CommandAnswer {
  readonly code: number;
  readonly text: string;
  /** From when it was first tried until the try began that this is the answer of. */
  readonly afterMs: number;
}

const answerMs = 15_000;
const commandMs = 30_000;

export class Operator {
  readonly script: Script;
  /** By how much more time things may take than on a machine that has nothing else to do. */
  readonly slack: number;
  readonly #from: 'build' | 'source';
  /** Each request has a connection of its own, as each `curl` has. */
  readonly #agent = new Agent({ pipelining: 0 });

  constructor(script: Script, from: 'build' | 'source', slack: number) {
    this.script = script;
    this.slack = slack;
    this.#from = from;
  }

  async curl(asked: Asked): Promise<Answer> {
    this.script.typed(curlLine(asked));
    const answer = await this.send(asked);
    this.script.answered(answer.text);
    return answer;
  }

  /** Without showing it. @throws Error when there is no answer within 15 s. */
  async send({ url, body }: Asked): Promise<Answer> {
    const from = performance.now();
    const answer = await request(url, {
      dispatcher: this.#agent,
      signal: AbortSignal.timeout(answerMs),
      ...(body === undefined ? {} : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    return { status: answer.statusCode, text: await answer.body.text(), tookMs: performance.now() - from };
  }

  /** Runs the command again and again until the answer is the wanted one, or no time is left to try it again. Shows the last. */
  async engram(args: readonly string[], wanted: (answer: CommandAnswer) => boolean, limitMs: number): Promise<CommandAnswer> {
    this.script.typed(shellLine(['engram', ...args]));
    for (const from = performance.now(); ; await pause(100)) {
      const afterMs = performance.now() - from;
      const answer = { ...(await run([...engramCommand(this.#from), ...args])), afterMs };
      if (!wanted(answer) && performance.now() - from < limitMs) continue;
      this.script.answered(answer.text);
      return answer;
    }
  }

  /** Shows the last of the lines. */
  grep(words: string, file: string): readonly string[] {
    this.script.typed(shellLine(['grep', words, file]));
    const found = readFileSync(file, 'utf8').split('\n').filter((line) => line.includes(words));
    this.script.answered(`${found.length > 1 ? `… ${found.length - 1} more, then\n` : ''}${found.at(-1) ?? ''}`);
    return found;
  }

  async close(): Promise<void> {
    await this.#agent.close();
  }
}

/** @returns What it printed, both streams, and its exit code; 1 where a signal ended it. */
function run(args: readonly string[]): Promise<{ code: number; text: string }> {
  return new Promise((settle) => {
    execFile(process.execPath, args, { timeout: commandMs }, (error, stdout, stderr) => {
      settle({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, text: stdout + stderr });
    });
  });
}
