import { prove } from './proof.ts';
import { runSession } from './session-sim.ts';

process.exitCode = await prove('session', runSession);
