import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { ROOT } from '../support/tree.ts';

/** `hawser serve` as people run it: a process of its own, that can be killed. */
export class Served implements AsyncDisposable {
  /** What it listens on, with the real ports. */
  readonly endpoints: readonly string[];
  readonly #process: ChildProcess;
  /** Its end, when all that it said has been read. */
  readonly #gone: Promise<Gone>;
  readonly #errors: string[];
  readonly #told: Told;

  private constructor(endpoints: readonly string[], parts: Parts) {
    this.endpoints = endpoints;
    this.#process = parts.process;
    this.#gone = parts.gone;
    this.#errors = parts.errors;
    this.#told = parts.told;
  }

  /** Starts the built command and waits until it listens. @throws Error with what it said when it ends instead. */
  static async start(listen: readonly string[], more: readonly string[] = []): Promise<Served> {
    const urls = listen.flatMap((url) => ['--listen', url]);
    const command = [join(ROOT, 'dist/cli/main.js'), 'serve', '--json', ...urls, ...more];
    const process = spawn(globalThis.process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
    const errors: string[] = [];
    createInterface(process.stderr).on('line', (line) => errors.push(line));
    const told = new Told(createInterface(process.stdout));
    const gone = once(process, 'close') as Promise<Gone>;
    const ended = gone.then(([code]) => {
      throw new Error(`hawser serve ended with ${code}: ${errors.join('\n')}`);
    });
    ended.catch(() => {});
    const { endpoints } = await Promise.race([told.until(({ event }) => event === 'listening'), ended]);
    return new Served(endpoints as string[], { process, gone, errors, told });
  }

  /** What it told so far by --json. */
  get events(): readonly ToldEvent[] {
    return this.#told.events;
  }

  /** Waits until it has told so, `from` the event of this number on. */
  until(is: (event: ToldEvent) => boolean, from = 0): Promise<ToldEvent> {
    return this.#told.until(is, from);
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  /** How it ends. By then all that it said is in `events` and `errors`. */
  async ended(): Promise<number | string | null> {
    const [code, signal] = await this.#gone;
    return code ?? signal;
  }

  /** The endpoint of one scheme, such as `ws`. */
  endpoint(scheme: string): URL {
    const found = this.endpoints.find((endpoint) => endpoint.startsWith(`${scheme}:`));
    if (found === undefined) throw new Error(`no endpoint of ${scheme}: in ${this.endpoints.join(', ')}`);
    return new URL(found);
  }

  port(scheme: string): number {
    return Number(this.endpoint(scheme).port);
  }

  /** What it wrote to stderr. */
  get errors(): readonly string[] {
    return this.#errors;
  }

  /** Ends it as a power cut would. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, 'exit');
    this.#process.kill(signal);
    await gone;
  }
}

type Gone = [code: number | null, signal: string | null];

interface Parts {
  readonly process: ChildProcess;
  readonly gone: Promise<Gone>;
  readonly errors: string[];
  readonly told: Told;
}

export type ToldEvent = Readonly<Record<string, unknown>> & { readonly event: string };

class Told {
  readonly events: ToldEvent[] = [];
  readonly #lines: Interface;

  constructor(lines: Interface) {
    this.#lines = lines;
    lines.on('line', (line) => this.events.push(JSON.parse(line) as ToldEvent));
  }

  async until(is: (event: ToldEvent) => boolean, from = 0): Promise<ToldEvent> {
    for (;;) {
      const found = this.events.slice(from).find(is);
      if (found !== undefined) return found;
      await once(this.#lines, 'line');
    }
  }
}

/** A folder for Unix sockets: short, since their paths may have about 100 bytes. */
export function socketFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), 'hawser-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}
