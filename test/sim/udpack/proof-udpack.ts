import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runUdpack } from './play.ts';
import { ProofRecord } from './proof-record.ts';

/** Seeds that a process takes at once, and seeds after which it is told, and written down, how far they are played. */
const CHUNK = 50;
const TOLD = 1000;
/** A run goes on behind seeds that fail, so that all are known; not behind so many. */
const FAILED_MOST = 20;
const USAGE =
  'usage: proof:udpack -- --from N --to M [--jobs N] [--out FILE] | --seed N [--trace], with whole numbers, N below M';

interface Chunk {
  readonly from: number;
  readonly to: number;
}

/** What a process says of its chunk: sums of the seeds that were good, and those that failed. */
interface Outcome extends Chunk {
  readonly totals: Record<string, number>;
  readonly cpuMs: number;
  readonly failures: readonly { readonly seed: number; readonly error: string }[];
}

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    to: { type: 'string' },
    jobs: { type: 'string' },
    out: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    child: { type: 'boolean', default: false },
  },
});

function play({ from, to }: Chunk): Outcome {
  const totals: Record<string, number> = {};
  const start = process.cpuUsage();
  const failures: { seed: number; error: string }[] = [];
  for (let seed = from; seed < to; seed++) {
    try {
      const { seed: _, ...run } = runUdpack(seed);
      for (const [key, value] of Object.entries(run)) totals[key] = (totals[key] ?? 0) + value;
    } catch (thrown) {
      failures.push({ seed, error: thrown instanceof Error ? (thrown.stack ?? '') : String(thrown) });
    }
  }
  const { user, system } = process.cpuUsage(start);
  return { from, to, totals, cpuMs: (user + system) / 1000, failures };
}

function replay(seed: number, trace: boolean): void {
  try {
    console.log(JSON.stringify(trace ? runUdpack(seed, (line) => console.log(line)) : runUdpack(seed)));
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
}

/** Shares the seeds among processes, as many as there are cores unless told otherwise, and says how far all of them are good. */
async function proveRange(from: number, to: number): Promise<void> {
  const jobs = Number(values.jobs ?? availableParallelism());
  const whole = [from, to, jobs].every((value) => Number.isSafeInteger(value));
  if (!whole || from < 0 || to <= from || jobs < 1) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const record = values.out === undefined ? undefined : new ProofRecord(values.out, from);
  const progress = new Progress(from, to, record);
  let next = from;
  const take = (): Chunk | undefined => {
    if (next >= to || progress.failed.length >= FAILED_MOST) return undefined;
    const chunk = { from: next, to: Math.min(to, next + CHUNK) };
    next = chunk.to;
    return chunk;
  };
  await Promise.all(Array.from({ length: jobs }, async () => work(take, (outcome) => progress.on(outcome))));
  record?.write();
  console.log(`seeds ${from} to ${progress.to - 1}: ${JSON.stringify(progress.totals)}`);
  if (progress.failed.length === 0) return;
  console.error(`failed: ${progress.failed.join(', ')}`);
  process.exitCode = 1;
}

/** How far all seeds are played, though chunks end in any order. */
class Progress {
  readonly totals: Record<string, number> = {};
  readonly failed: number[] = [];
  to: number;
  readonly #end: number;
  readonly #record: ProofRecord | undefined;
  readonly #done = new Map<number, Outcome>();

  constructor(from: number, end: number, record: ProofRecord | undefined) {
    this.to = from;
    this.#end = end;
    this.#record = record;
  }

  on(outcome: Outcome): void {
    this.#done.set(outcome.from, outcome);
    for (const { seed, error } of outcome.failures) {
      this.failed.push(seed);
      console.error(error);
      console.error(`failed: seed ${seed}. Replay: npm run proof:udpack -- --seed ${seed} --trace`);
    }
    for (let next = this.#take(); next !== undefined; next = this.#take()) this.#onPlayed(next);
  }

  #take(): Outcome | undefined {
    const outcome = this.#done.get(this.to);
    this.#done.delete(this.to);
    return outcome;
  }

  #onPlayed({ to, cpuMs, totals, failures }: Outcome): void {
    this.to = to;
    for (const [key, value] of Object.entries(totals)) this.totals[key] = (this.totals[key] ?? 0) + value;
    const failed = failures.map(({ seed }) => seed);
    this.#record?.add({ to, cpuMs, totals, failed });
    if (to % TOLD !== 0) return;
    this.#record?.write();
    const more = to < this.#end ? `; a run that is stopped goes on with --from ${to}` : '';
    console.log(`played up to ${to - 1}, ${this.failed.length} failed${more}`);
  }
}

/** One process: plays chunks until there are none left. */
async function work(take: () => Chunk | undefined, onOutcome: (outcome: Outcome) => void): Promise<void> {
  const child = fork(fileURLToPath(import.meta.url), ['--child']);
  try {
    for (let chunk = take(); chunk !== undefined; chunk = take()) onOutcome(await ask(child, chunk));
  } finally {
    child.disconnect();
  }
}

async function ask(child: ChildProcess, chunk: Chunk): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const onExit = (): void => reject(new Error(`the process of seeds ${chunk.from} to ${chunk.to - 1} ended`));
    child.once('exit', onExit);
    child.once('message', (outcome) => {
      child.off('exit', onExit);
      resolve(outcome as Outcome);
    });
    child.send(chunk);
  });
}

if (values.child) process.on('message', (chunk: Chunk) => process.send?.(play(chunk)));
else if (values.seed === undefined) await proveRange(Number(values.from ?? 0), Number(values.to ?? 10_000));
else replay(Number(values.seed), values.trace);
