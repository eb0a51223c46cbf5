import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';

/** Seeds that were played one after the other, and of which code. */
interface Part {
  readonly commit: string;
  readonly from: number;
  /** Behind the last one. */
  to: number;
  readonly failed: number[];
  cpuSeconds: number;
  /** Sums of what the runs saw that were good. */
  readonly totals: Record<string, number>;
}

/** What further seeds add. */
export interface Played {
  readonly to: number;
  readonly cpuMs: number;
  readonly totals: Readonly<Record<string, number>>;
  readonly failed: readonly number[];
}

/** What a file says of the seeds that were played: a run that is stopped and goes on adds to it. */
export class ProofRecord {
  readonly #file: string;
  readonly #parts: Part[];
  readonly #part: Part;

  /** @throws Error when the code differs from the last commit: nobody could play the same seeds again. */
  constructor(file: string, from: number) {
    const changed = git('status', '--porcelain', '--', 'src', 'test/sim');
    if (changed !== '') throw new Error(`commit first:\n${changed}`);
    this.#file = file;
    this.#parts = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as { parts: Part[] }).parts : [];
    const commit = git('rev-parse', '--short', 'HEAD');
    const part = this.#parts.find((known) => known.commit === commit && known.to === from);
    this.#part = part ?? { commit, from, to: from, failed: [], cpuSeconds: 0, totals: {} };
    if (part === undefined) this.#parts.push(this.#part);
  }

  add({ to, cpuMs, totals, failed }: Played): void {
    const part = this.#part;
    part.to = to;
    part.failed.push(...failed);
    part.cpuSeconds = Math.round(part.cpuSeconds * 1000 + cpuMs) / 1000;
    for (const [key, value] of Object.entries(totals)) part.totals[key] = (part.totals[key] ?? 0) + value;
  }

  write(): void {
    const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
    const told = { machine, command: 'npm run proof:udpack', parts: this.#parts };
    writeFileSync(this.#file, `${JSON.stringify(told, null, 2)}\n`);
  }
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { encoding: 'utf8' }).trim();
}
