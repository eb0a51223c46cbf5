import { runHistory } from './history-sim.ts';
import { prove } from './proof.ts';

process.exitCode = await prove('history', runHistory);
