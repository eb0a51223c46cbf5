import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Engine, JoinedEngine } from '../../src/engine/index.ts';
import { RedisBus } from '../../src/engines/redis/index.ts';
import { realWorld } from '../../src/runtime/index.ts';
import { engineSuite, MortalBus } from '../../src/testing/index.ts';
import { type Redis, startRedis } from '../support/redis-server.ts';

const world = realWorld();
const buses = new Map<Engine, MortalBus>();
let redis: Redis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => redis[Symbol.asyncDispose]());

engineSuite('redis', {
  api: { describe, test, expect },
  world,
  joins: true,
  logs: true,
  makeEngine: (cluster, times) => {
    const name = `suite-${cluster}`.replaceAll(/[^\w.-]/g, '-');
    const bus = new MortalBus(new RedisBus({ url: redis.url, name }, world));
    const engine = new JoinedEngine(bus, { world, times });
    buses.set(engine, bus);
    return engine;
  },
  kill: (engine) => buses.get(engine)?.kill(),
});
