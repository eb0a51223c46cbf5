import { type Engine, JoinedEngine, type JoinedTimes } from '../../engine/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { RedisBus } from './bus.ts';
import type { RedisEngineOptions } from './options.ts';

export interface RedisNodeOptions extends RedisEngineOptions {
  /** Of the nodes' leases; the same on all nodes. */
  readonly times?: Partial<JoinedTimes>;
}

/**
 * Joins the nodes that have the same Redis (7.0 or later), Redis Cluster or Valkey, and the same `name`. It loads `@redis/client`, which is to
 * be installed beside Hawser, when the server starts.
 *
 * @throws HawserError ERR_OPTION, ERR_URL.
 * @example createServer({ engine: redisEngine({ url: 'redis://127.0.0.1:6379' }) })
 */
export function redisEngine({ times, ...options }: RedisNodeOptions = {}): Engine {
  const world = realWorld();
  return new JoinedEngine(new RedisBus(options, world), { world, times });
}
