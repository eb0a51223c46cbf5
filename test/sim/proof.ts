import { parseArgs } from 'node:util';

const STEP = 1000;

/**
 * Plays a simulation for a range of seeds: `npm run proof:NAME -- --from 0 --to 100000`. It says where it stands, so that a run that
 * was stopped goes on from there; a failure prints its seed, which replays it alone: --from N --to N+1. Returns the exit code: 0
 * good, 1 failed, 2 usage.
 */
export async function prove(name: string, run: (seed: number) => object | Promise<object>): Promise<number> {
  const { values } = parseArgs({ options: { from: { type: 'string' }, to: { type: 'string' } } });
  const from = Number(values.from ?? 0);
  const to = Number(values.to ?? from + 10_000);
  if (!Number.isSafeInteger(from) || !Number.isSafeInteger(to) || from < 0 || to <= from) {
    console.error(`usage: proof:${name} -- --from N --to M, with whole numbers, N below M`);
    return 2;
  }
  const totals: Record<string, number> = {};
  for (let seed = from; seed < to; seed++) {
    try {
      for (const [key, value] of Object.entries((await run(seed)) as Record<string, number>)) {
        totals[key] = (totals[key] ?? 0) + value;
      }
    } catch (error) {
      console.error(error);
      console.error(`failed: seed ${seed}. Replay: npm run proof:${name} -- --from ${seed} --to ${seed + 1}`);
      return 1;
    }
    if ((seed + 1) % STEP === 0)
      console.log(`good up to ${seed}; a run that is stopped goes on with --from ${seed + 1}`);
  }
  delete totals['seed'];
  console.log(`seeds ${from} to ${to - 1}: ${JSON.stringify(totals)}`);
  return 0;
}
