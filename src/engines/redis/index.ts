export { RedisBus } from './bus.ts';
export { type RedisNodeOptions, redisEngine } from './engine.ts';
export type { RedisEngineOptions } from './options.ts';
