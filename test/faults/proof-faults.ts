/** `npm run proof:faults`: plays seeds, one after the other. */
import { parseArgs } from 'node:util';
import { ENGINES, type EngineName } from './backend.ts';
import { FAULTS, type FaultName } from './fault-kinds.ts';
import { planOf } from './plan.ts';
import { Programs } from './programs.ts';
import { faultsOf, play } from './run.ts';

const USAGE = `usage: proof:faults -- --engine ${ENGINES.join('|')} [--from N] [--to N] [--faults A,B] [--steps N] [--trace]
faults: ${Object.keys(FAULTS).join(', ')}`;

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'memory' },
    from: { type: 'string', default: '0' },
    to: { type: 'string' },
    faults: { type: 'string' },
    steps: { type: 'string' },
    trace: { type: 'boolean', default: false },
  },
});

const engine = ENGINES.find((name) => name === values.engine);
const from = Number(values.from);
const to = Number(values.to ?? from + 1);
const faults = values.faults?.split(',') as FaultName[] | undefined;
const steps = values.steps === undefined ? undefined : Number(values.steps);
const isRight =
  engine !== undefined && [from, to].every(Number.isSafeInteger) && faults?.every((name) => name in FAULTS) !== false;

if (isRight) await prove(engine);
else {
  console.error(USAGE);
  process.exitCode = 2;
}

async function prove(on: EngineName): Promise<void> {
  using programs = await Programs.make();
  for (let seed = from; seed < to; seed++) {
    const plan = planOf(seed, on, { faults, steps });
    const outcome = await play(plan, programs, values.trace ? (words) => console.log(words) : undefined);
    console.log(JSON.stringify(outcome));
    const against = faultsOf(outcome);
    if (against.length === 0) continue;
    for (const words of against.slice(0, 40)) console.error(words);
    console.error(`failed: seed ${seed}. Replay: npm run proof:faults -- --engine ${on} --from ${seed} --trace`);
    process.exitCode = 1;
  }
}
