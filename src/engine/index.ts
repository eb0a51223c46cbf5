export * from './engine.ts';
export { MemoryEngine } from './memory.ts';
