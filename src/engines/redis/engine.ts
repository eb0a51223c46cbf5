import { type Engine, JoinedEngine } from '../../engine/index.ts';
import { realWorld } from '../../runtime/index.ts';
import { RedisBus } from './bus.ts';
import type { RedisEngineOptions } from './options.ts';

/**
 * Joins the nodes that have the same Redis (7.0 or later), Redis Cluster or Valkey, and the same `name`. It loads `@redis/client`, which is to
 * be installed beside Hawser, when the server starts.
 *
 * @throws HawserError ERR_OPTION, ERR_URL.
 * @example createServer({ engine: redisEngine({ url: 'redis://127.0.0.1:6379' }) })
 */
export function redisEngine(options: RedisEngineOptions = {}): Engine {
  const world = realWorld();
  return new JoinedEngine(new RedisBus(options, world), { world });
}
