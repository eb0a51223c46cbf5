import { prove } from '../proof.ts';
import { runHistory } from './history-sim.ts';

process.exitCode = await prove('history', runHistory);
