/**
 * Plays seeds with real processes, one after the other.
 *
 *   npm run proof:faults -- --engine nats --from 0 --to 20            and goes on with --from 20 another time
 *   npm run proof:faults -- --engine redis --from 7 --trace           one seed, told as it happens
 *   npm run proof:faults -- --engine nats --faults kill-node,clock    only these faults
 *   npm run proof:faults -- --page                                    docs/FAULTS.md anew
 */
import { parseArgs } from 'node:util';
import { commitOf } from '../../bench/commit.ts';
import { ENGINES, type EngineName } from './backend.ts';
import { FAULTS, type FaultName } from './fault-kinds.ts';
import { writePage } from './page.ts';
import { planOf } from './plan.ts';
import { Programs } from './programs.ts';
import { keepRecord, readRecords, recordOf } from './record.ts';
import { faultsOf, play } from './run.ts';

const USAGE = `usage: proof:faults -- --engine ${ENGINES.join('|')} [--from N] [--to N] [--faults A,B] [--steps N] [--trace] [--keep] | --page
--keep writes bench/results/faults.json and docs/FAULTS.md
faults: ${Object.keys(FAULTS).join(', ')}`;
const TOLD_MOST = 30;

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'memory' },
    from: { type: 'string', default: '0' },
    to: { type: 'string' },
    faults: { type: 'string' },
    steps: { type: 'string' },
    trace: { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    page: { type: 'boolean', default: false },
  },
});

// What was started is ended with it, and its folder goes.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

const engine = ENGINES.find((name) => name === values.engine);
const from = Number(values.from);
const to = Number(values.to ?? from + 1);
const faults = values.faults?.split(',') as FaultName[] | undefined;
const steps = values.steps === undefined ? undefined : Number(values.steps);
const isRight =
  engine !== undefined && [from, to].every(Number.isSafeInteger) && faults?.every((name) => name in FAULTS) !== false;

if (values.page) writePage(readRecords());
else if (isRight) await prove(engine);
else {
  console.error(USAGE);
  process.exitCode = 2;
}

async function prove(on: EngineName): Promise<void> {
  const commit = commitOf();
  using programs = await Programs.make();
  for (let seed = from; seed < to; seed++) {
    const plan = planOf(seed, on, { faults, steps });
    const outcome = await play(plan, programs, values.trace ? (words) => console.log(words) : undefined);
    const record = recordOf(outcome, on, commit);
    console.log(JSON.stringify({ ...record, reports: outcome.reports, refusals: outcome.refusals }));
    if (values.keep) keepRecord(record, () => writePage(readRecords()));
    const against = faultsOf(outcome);
    if (against.length === 0) continue;
    for (const words of against.slice(0, TOLD_MOST)) console.error(words);
    if (against.length > TOLD_MOST) console.error(`and ${against.length - TOLD_MOST} more`);
    console.error(`failed: seed ${seed}. Replay: npm run proof:faults -- --engine ${on} --from ${seed} --trace`);
    process.exitCode = 1;
  }
}
