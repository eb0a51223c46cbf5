export { type ThisWorker, thisWorker } from './this-worker.ts';
