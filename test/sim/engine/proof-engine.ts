import { prove } from '../proof.ts';
import { runEngine } from './engine-sim.ts';

process.exitCode = await prove('engine', runEngine);
