import { parseArgs } from 'node:util';
import { runSession } from './session-sim.ts';

// npm run proof:session -- --from 0 --to 100000
// Plays the session's simulation for a range of seeds. It says where it stands, so that a run that was stopped goes on
// from there; a failure prints its seed, which replays it alone: --from N --to N+1. Exit codes: 0 good, 1 failed, 2 usage.

const STEP = 1000;

function main(): number {
  const { values } = parseArgs({ options: { from: { type: 'string' }, to: { type: 'string' } } });
  const from = Number(values.from ?? 0);
  const to = Number(values.to ?? from + 10_000);
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to <= from) {
    console.error('usage: proof:session -- --from N --to M, with whole numbers, N below M');
    return 2;
  }
  const totals = { delivered: 0, links: 0, resumes: 0, lost: 0, takeovers: 0, secondShowings: 0 };
  for (let seed = from; seed < to; seed++) {
    try {
      const run = runSession(seed);
      for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += run[name];
    } catch (error) {
      console.error(error);
      console.error(`failed: seed ${seed}. Replay: npm run proof:session -- --from ${seed} --to ${seed + 1}`);
      return 1;
    }
    if ((seed + 1) % STEP === 0)
      console.log(`good up to ${seed}; a run that is stopped goes on with --from ${seed + 1}`);
  }
  console.log(`seeds ${from} to ${to - 1}: ${JSON.stringify(totals)}`);
  return 0;
}

process.exitCode = main();
