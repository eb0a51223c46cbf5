export { type ClusterEngineOptions, clusterEngine } from './cluster-engine.ts';
export { type ThisWorker, thisWorker } from './this-worker.ts';
export type { Ending as WorkerEnding } from './worker-process.ts';
export { startWorkers, type WorkerEvent, type WorkerInfo, type Workers, type WorkersOptions } from './workers.ts';
