/** A node, or the primary of nodes, in a process of its own; its parent tells it what to do. */
import cluster from 'node:cluster';
import type { NodeOptions } from './control.ts';
import { runNode } from './node-app.ts';
import { runPrimary } from './node-primary.ts';

const options = JSON.parse(process.argv[2] ?? '') as NodeOptions;
const { engine } = options;
// Without a parent there is nobody to work for.
process.on('disconnect', () => process.exit(0));

await (engine.kind === 'cluster' && cluster.isPrimary ? runPrimary(engine.workers) : runNode(options));
