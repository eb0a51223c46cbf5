export * from './bus.ts';
export * from './engine.ts';
export * from './history.ts';
export { MemoryEngine } from './memory.ts';
export * from './nodes.ts';
