import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { SwimMetrics } from '@engram/swim';
import type { Kind, Sighting } from './kinds.js';

/** One member in a process of its own, and what it said about the others. Times are this process's, for every kind alike. */
export class NodeProcess {
  readonly name: string;
  readonly pid: number;
  readonly exited: Promise<void>;
  readonly #child: ChildProcess;
  readonly #last = new Map<string, { readonly state: Sighting['state']; readonly atMs: number }>();
  readonly #tail: string[] = [];
  #answer: ((metrics: SwimMetrics) => void) | undefined;
  #ended = false;

  constructor(name: string, kind: Kind, [command, ...args]: readonly string[], onSighting: (sighting: Sighting) => void) {
    this.name = name;
    this.#child = spawn(command!, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, NODE_ENV: 'production', NODE_OPTIONS: '' } });
    if (this.#child.pid === undefined) throw new Error(`${command} could not be started`);
    this.pid = this.#child.pid;
    this.exited = new Promise((settle) => this.#child.once('exit', () => ((this.#ended = true), settle())));
    const hear = (line: string): void => {
      this.#tail.push(line);
      if (this.#tail.length > 20) this.#tail.shift();
      if (line.startsWith('metrics ')) return this.#answer?.(JSON.parse(line.slice('metrics '.length)) as SwimMetrics);
      const sighting = kind.read(line);
      if (sighting === undefined) return;
      this.#last.set(sighting.member, { state: sighting.state, atMs: performance.now() });
      onSighting(sighting);
    };
    createInterface(this.#child.stdout!).on('line', hear);
    createInterface(this.#child.stderr!).on('line', hear);
    // A process that has ended does not read any more; that it ended shows elsewhere.
    this.#child.stdin!.on('error', () => undefined);
  }

  get ended(): boolean {
    return this.#ended;
  }

  sees(member: string, state: Sighting['state']): boolean {
    return member === this.name ? state === 'alive' : this.#last.get(member)?.state === state;
  }

  /** When it last said something about that member. @throws Error when it never did. */
  heardAtMs(member: string): number {
    const heard = this.#last.get(member);
    if (heard === undefined) throw new Error(`${this.name} never spoke of ${member}`);
    return heard.atMs;
  }

  /** Only of the kind `engram`. */
  metrics(): Promise<SwimMetrics> {
    return new Promise((settle) => {
      this.#answer = settle;
      this.#child.stdin!.write('metrics\n');
    });
  }

  tail(): string {
    return `── ${this.name}, pid ${this.pid}\n${this.#tail.join('\n')}`;
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }
}
