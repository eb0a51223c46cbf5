import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { redisEngine } from '../../src/engines/redis/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { engineSuite } from '../../src/testing/index.ts';
import { type Redis, startRedis } from '../support/redis-server.ts';

let redis: Redis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => redis[Symbol.asyncDispose]());

engineSuite('redis', {
  api: { describe, test, expect },
  world: realWorld(),
  joins: true,
  makeEngine: (cluster) => redisEngine({ url: redis.url, name: `suite-${cluster}`.replaceAll(/[^\w.-]/g, '-') }),
});
