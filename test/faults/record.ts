import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/tree.ts';
import type { EngineName } from './backend.ts';
import { faultsOf, type Outcome, type StepOutcome } from './run.ts';

/** What is kept of one seed. */
export interface SeedRecord {
  readonly engine: EngineName;
  readonly seed: number;
  readonly commit: string;
  readonly steps: readonly StepOutcome[];
  readonly published: number;
  readonly confirmed: number;
  /** By all members together. */
  readonly heard: number;
  /** In rooms with history: without a word. */
  readonly lost: number;
  readonly doubled: number;
  readonly swapped: number;
  readonly recovered: number;
  readonly gaps: Readonly<Record<string, number>>;
  /** All that spoke against it. */
  readonly against: readonly string[];
}

const FILE = join(ROOT, 'bench/results/faults.json');
const WORDS_MOST = 5;
const LOCK_TRIES = 500;
const LOCK_PAUSE = 10;

export function recordOf(outcome: Outcome, engine: EngineName, commit: string): SeedRecord {
  const { seed, steps, verdict } = outcome;
  const { findings, published, confirmed, heard, recovered, gaps } = verdict;
  const count = (...kinds: string[]): number => findings.filter(({ kind }) => kinds.includes(kind)).length;
  return {
    engine,
    seed,
    commit,
    steps,
    published,
    confirmed,
    heard,
    lost: count('lost'),
    doubled: count('doubled', 'appended-twice'),
    swapped: count('swapped', 'two-orders'),
    recovered,
    gaps,
    against: faultsOf(outcome).slice(0, WORDS_MOST),
  };
}

export function readRecords(): readonly SeedRecord[] {
  return existsSync(FILE) ? (JSON.parse(readFileSync(FILE, 'utf8')) as SeedRecord[]) : [];
}

/** Puts a seed's record in the place of the one before, `done` what hangs on it; for one program at a time. */
export function keepRecord(record: SeedRecord, done: () => void): void {
  const lock = `${FILE}.lock`;
  for (let tries = 0; !taken(lock); tries++) {
    if (tries > LOCK_TRIES) throw new Error(`${lock} is left behind`);
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LOCK_PAUSE);
  }
  try {
    replace(record);
    done();
  } finally {
    rmSync(lock, { recursive: true });
  }
}

function taken(lock: string): boolean {
  try {
    mkdirSync(lock);
    return true;
  } catch {
    return false;
  }
}

/** A line each, so that changes can be read. */
function replace(record: SeedRecord): void {
  const others = readRecords().filter(({ engine, seed }) => engine !== record.engine || seed !== record.seed);
  const all = [...others, record].toSorted((a, b) => a.engine.localeCompare(b.engine) || a.seed - b.seed);
  writeFileSync(`${FILE}.new`, `[\n${all.map((one) => JSON.stringify(one)).join(',\n')}\n]\n`);
  renameSync(`${FILE}.new`, FILE);
}
