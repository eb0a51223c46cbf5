import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter, dirname } from 'node:path';
import { ROOT, textOf } from './tree.ts';

/** Words of a README that a test puts others in place of: a port, a file, a web address. */
export type Replacements = Readonly<Record<string, string>>;

/** The commands of an example's README, block by block: what a newcomer types into terminals. */
export function commandsOf(name: string, replacements: Replacements = {}): string[][] {
  return blocksOf(name, 'sh', replacements).map((lines) =>
    lines.filter((line) => line !== '' && !line.startsWith('#')),
  );
}

/** What is typed into a running program, talk by talk. */
export function talksOf(name: string, replacements: Replacements = {}): string[][] {
  const talks = blocksOf(name, 'console', replacements);
  return talks.map((lines) => lines.filter((line) => line.startsWith('> ')).map((line) => line.slice(2)));
}

/** @throws Error when a word that is to be replaced doesn't occur: the README has changed. */
function blocksOf(name: string, language: string, replacements: Replacements): string[][] {
  let text = textOf(`examples/${name}/README.md`);
  for (const [word, other] of Object.entries(replacements)) {
    if (!text.includes(word)) throw new Error(`the README of ${name} doesn't say ${word}`);
    text = text.replaceAll(word, other);
  }
  const blocks = text.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\`$`, 'gm'));
  return [...blocks].map(([, block = '']) => block.trimEnd().split('\n'));
}

/** How long a program may take to show something, ms: then it is wrong, and what it showed says how. */
const PATIENCE = 30_000;

/** A terminal at the root of the repository in which one command runs. */
export class Terminal implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #command: string;
  /** Everything that was shown, stderr included. */
  #shown = '';
  /** How far `shows` has read. */
  #read = 0;
  #wake: () => void = () => {};
  #ended = false;
  #late = false;

  /** `command` is a line for the shell, without pipes: its process takes the shell's place. */
  constructor(command: string) {
    const path = `${dirname(process.execPath)}${delimiter}${process.env['PATH'] ?? ''}`;
    this.#command = command;
    this.#process = spawn('/bin/sh', ['-c', `exec ${command}`], {
      cwd: ROOT,
      env: { ...process.env, PATH: path },
      stdio: 'pipe',
    });
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#shown += text;
        this.#wake();
      });
    }
    this.#process.stdin?.on('error', () => {});
    this.#process.once('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  get shown(): string {
    return this.#shown;
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Types a line. */
  type(line: string): void {
    this.#process.stdin?.write(`${line}\n`);
  }

  /** Types no more. */
  end(): void {
    this.#process.stdin?.end();
  }

  /**
   * Waits for the next text like this, after what was waited for before, and returns it with its groups.
   * @throws Error with all that was shown, when the program ends without it or takes too long.
   */
  async shows(what: string | RegExp): Promise<RegExpExecArray> {
    const deadline = setTimeout(() => this.#giveUp(), PATIENCE);
    try {
      return await this.#find(what);
    } finally {
      clearTimeout(deadline);
    }
  }

  async #find(what: string | RegExp): Promise<RegExpExecArray> {
    const pattern = typeof what === 'string' ? new RegExp(what.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')) : what;
    for (;;) {
      const found = pattern.exec(this.#shown.slice(this.#read));
      if (found !== null) {
        this.#read += found.index + found[0].length;
        return found;
      }
      if (this.#ended || this.#late) {
        const how = this.#ended ? 'ended' : 'went on';
        throw new Error(`'${this.#command}' ${how} without ${String(what)}:\n${this.#shown}`);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #giveUp(): void {
    this.#late = true;
    this.#wake();
  }

  /** Waits for the end: the exit code, or the name of the signal. */
  async exit(): Promise<number | string | null> {
    if (!this.#ended) await once(this.#process, 'close');
    return this.#process.signalCode ?? this.#process.exitCode;
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal('SIGKILL');
    await this.exit();
  }
}
