import { type ChildProcess, fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runUdpack } from './play.ts';

/** Seeds that a process takes at once. */
const CHUNK = 50;
const USAGE = 'usage: proof:udpack -- --from N --to M | --seed N [--trace], with whole numbers, N below M';

interface Chunk {
  readonly from: number;
  readonly to: number;
}

/** What a process says of its chunk: sums, or the first seed that failed. */
interface Outcome extends Chunk {
  readonly totals: Record<string, number>;
  readonly failed: number | undefined;
  readonly error: string;
}

const { values } = parseArgs({
  options: {
    from: { type: 'string' },
    to: { type: 'string' },
    seed: { type: 'string' },
    trace: { type: 'boolean', default: false },
    child: { type: 'boolean', default: false },
  },
});

if (values.child) process.on('message', (chunk: Chunk) => process.send?.(play(chunk)));
else if (values.seed === undefined) await proveRange(Number(values.from ?? 0), Number(values.to ?? 10_000));
else replay(Number(values.seed), values.trace);

function play({ from, to }: Chunk): Outcome {
  const totals: Record<string, number> = {};
  for (let seed = from; seed < to; seed++) {
    try {
      for (const [key, value] of Object.entries(runUdpack(seed))) totals[key] = (totals[key] ?? 0) + value;
    } catch (error) {
      return { from, to, totals, failed: seed, error: error instanceof Error ? (error.stack ?? '') : String(error) };
    }
  }
  return { from, to, totals, failed: undefined, error: '' };
}

function replay(seed: number, trace: boolean): void {
  try {
    console.log(JSON.stringify(trace ? runUdpack(seed, (line) => console.log(line)) : runUdpack(seed)));
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
}

/** Shares the seeds among as many processes as there are cores, and says how far all of them are good. */
async function proveRange(from: number, to: number): Promise<void> {
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to <= from) {
    console.error(USAGE);
    process.exitCode = 2;
    return;
  }
  const totals: Record<string, number> = {};
  const failures: number[] = [];
  const done = new Set<number>();
  let next = from;
  let good = from;
  const onOutcome = (outcome: Outcome): void => {
    for (const [key, value] of Object.entries(outcome.totals)) totals[key] = (totals[key] ?? 0) + value;
    done.add(outcome.from);
    if (outcome.failed !== undefined) {
      failures.push(outcome.failed);
      console.error(outcome.error);
      console.error(`failed: seed ${outcome.failed}. Replay: npm run proof:udpack -- --seed ${outcome.failed} --trace`);
    }
    while (failures.length === 0 && done.delete(good)) {
      good = Math.min(to, good + CHUNK);
      if (good % 1000 === 0) console.log(`good up to ${good - 1}; a run that is stopped goes on with --from ${good}`);
    }
  };
  const take = (): Chunk | undefined => {
    if (next >= to || failures.length > 0) return undefined;
    const chunk = { from: next, to: Math.min(to, next + CHUNK) };
    next = chunk.to;
    return chunk;
  };
  await Promise.all(Array.from({ length: availableParallelism() }, async () => work(take, onOutcome)));
  delete totals['seed'];
  if (failures.length > 0) process.exitCode = 1;
  else console.log(`seeds ${from} to ${to - 1}: ${JSON.stringify(totals)}`);
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
