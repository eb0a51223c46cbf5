import { prove } from '../proof.ts';
import { runLan } from './lan-sim.ts';

process.exitCode = await prove('lan', runLan);
