export { RedisBus } from './bus.ts';
export { redisEngine } from './engine.ts';
export type { RedisEngineOptions } from './options.ts';
