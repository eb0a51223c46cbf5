export * from './bus.ts';
export * from './engine.ts';
export * from './history.ts';
export * from './joined/index.ts';
export { epochOf, MemoryEngine } from './memory.ts';
export * from './nodes.ts';
export * from './room-log.ts';
export * from './room-logs.ts';
