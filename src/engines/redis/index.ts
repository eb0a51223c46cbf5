export { RedisBus } from './bus.ts';
export type { RedisEngineOptions } from './options.ts';
